// Fused warp, shade, coverage and background: from rasterised texture coordinates to one RGBX frame.
//
// The frame may be rasterised `factor` times finer than it is drawn (1 or 2): finer samples of one smooth patch
// are averaged before the texture is read, those across an edge after it.
#include "kernel.h"

#define SMOOTH_TEXELS 4.0f  // texture coordinates of one frame pixel further apart than this span an edge

// One channel of the four neighbours, blended, shaded and laid over the same channel of `under`.
DEVICE u32 mixed_channel(u32 p00, u32 p01, u32 p10, u32 p11, i32 w00, i32 w01, i32 w10, i32 w11, i32 gain,
                         i32 coverage, u32 under, i32 shift) {
    i32 value = ((i32)((p00 >> shift) & 255) * w00 + (i32)((p01 >> shift) & 255) * w01 +
                 (i32)((p10 >> shift) & 255) * w10 + (i32)((p11 >> shift) & 255) * w11 + 32768) >> 16;
    value = min_i((value * gain + 128) >> 8, 255);
    i32 mixed = value * coverage + (i32)((under >> shift) & 255) * (255 - coverage) + 128;
    return (u32)((mixed + (mixed >> 8)) >> 8) << shift;  // exact rounded division by 255
}

// Texture at (u, v) texels ((0.5, 0.5) is the first texel's centre), bilinear, clamped at the border, times shade,
// over `under` by the texture's coverage. 8-bit subtexel weights; all integer from there on.
DEVICE u32 shaded_texel(float u, float v, float shade, const u32 *RESTRICT atlas, i32 atlas_height, i32 atlas_width,
                        u32 under) {
    // Clamped on both sides before the conversion, so that NaN and huge values stay inside.
    float limit_u = (float)atlas_width, limit_v = (float)atlas_height;
    u = u > 0.0f ? (u < limit_u ? u : limit_u) : 0.0f;
    v = v > 0.0f ? (v < limit_v ? v : limit_v) : 0.0f;
    shade = shade > 0.0f ? (shade < 4.0f ? shade : 4.0f) : 0.0f;
    i32 iu = (i32)(u * 256.0f + 0.5f) - 128, iv = (i32)(v * 256.0f + 0.5f) - 128;
    i32 gain = (i32)(shade * 256.0f + 0.5f);
    i32 column = iu >> 8, row = iv >> 8, fu = iu & 255, fv = iv & 255;
    i32 x0 = clamp_i(column, 0, atlas_width - 1), x1 = clamp_i(column + 1, 0, atlas_width - 1);
    i32 y0 = clamp_i(row, 0, atlas_height - 1) * atlas_width, y1 = clamp_i(row + 1, 0, atlas_height - 1) * atlas_width;
    u32 p00 = atlas[y0 + x0], p01 = atlas[y0 + x1], p10 = atlas[y1 + x0], p11 = atlas[y1 + x1];
    i32 w11 = fu * fv, w01 = fu * 256 - w11, w10 = fv * 256 - w11, w00 = 65536 - w01 - w10 - w11;
    i32 coverage = ((i32)(p00 >> 24) * w00 + (i32)(p01 >> 24) * w01 + (i32)(p10 >> 24) * w10 +
                    (i32)(p11 >> 24) * w11 + 32768) >> 16;
    return 0xff000000u | mixed_channel(p00, p01, p10, p11, w00, w01, w10, w11, gain, coverage, under, 0) |
           mixed_channel(p00, p01, p10, p11, w00, w01, w10, w11, gain, coverage, under, 8) |
           mixed_channel(p00, p01, p10, p11, w00, w01, w10, w11, gain, coverage, under, 16);
}

DEVICE void composite_pixel_1(i32 x, i32 y, const float *RESTRICT planes, const i32 *RESTRICT triangle,
                              const u32 *RESTRICT atlas, i32 atlas_height, i32 atlas_width, const u32 *background,
                              i32 background_pitch, i32 height, i32 width, u32 *out, i32 out_pitch) {
    i64 pixel = (i64)y * width + x, plane = (i64)height * width;
    u32 under = background[(i64)y * background_pitch + x] | 0xff000000u;
    u32 over = shaded_texel(planes[pixel], planes[plane + pixel], planes[2 * plane + pixel], atlas, atlas_height,
                            atlas_width, under);
    out[(i64)y * out_pitch + x] = triangle[pixel] < 0 ? under : over;
}

DEVICE void composite_pixel_2(i32 x, i32 y, const float *RESTRICT planes, const i32 *RESTRICT triangle,
                              const u32 *RESTRICT atlas, i32 atlas_height, i32 atlas_width, const u32 *background,
                              i32 background_pitch, i32 height, i32 width, u32 *out, i32 out_pitch) {
    i64 plane = (i64)height * width * 4;
    u32 under = background[(i64)y * background_pitch + x] | 0xff000000u;
    i64 sample[4] = {(i64)(2 * y) * (2 * width) + 2 * x, 0, 0, 0};
    sample[1] = sample[0] + 1;
    sample[2] = sample[0] + 2 * width;
    sample[3] = sample[2] + 1;
    i32 covered = 0;
    for (i32 k = 0; k < 4; ++k) covered += triangle[sample[k]] >= 0;
    u32 result = under;
    if (covered == 4) {
        float u_low = planes[sample[0]], v_low = planes[plane + sample[0]];
        float u_high = u_low, v_high = v_low, u_sum = 0.0f, v_sum = 0.0f, shade_sum = 0.0f;
        for (i32 k = 0; k < 4; ++k) {
            float u = planes[sample[k]], v = planes[plane + sample[k]];
            u_low = u < u_low ? u : u_low;
            v_low = v < v_low ? v : v_low;
            u_high = u > u_high ? u : u_high;
            v_high = v > v_high ? v : v_high;
            u_sum = u_sum + u;
            v_sum = v_sum + v;
            shade_sum = shade_sum + planes[2 * plane + sample[k]];
        }
        if (u_high - u_low < SMOOTH_TEXELS && v_high - v_low < SMOOTH_TEXELS) {
            out[(i64)y * out_pitch + x] = shaded_texel(u_sum * 0.25f, v_sum * 0.25f, shade_sum * 0.25f, atlas,
                                                       atlas_height, atlas_width, under);
            return;
        }
    }
    if (covered > 0) {
        u32 even = 0, odd = 0;  // sums of channels 0 and 2, and of channel 1
        for (i32 k = 0; k < 4; ++k) {
            u32 colour = under;
            if (triangle[sample[k]] >= 0)
                colour = shaded_texel(planes[sample[k]], planes[plane + sample[k]], planes[2 * plane + sample[k]],
                                      atlas, atlas_height, atlas_width, under);
            even += colour & 0x00ff00ffu;
            odd += (colour >> 8) & 0xffu;
        }
        result = 0xff000000u | (((even + 0x00020002u) >> 2) & 0x00ff00ffu) | (((odd + 2) >> 2) << 8);
    }
    out[(i64)y * out_pitch + x] = result;
}

#ifdef __CUDACC__

// Grid: pixels of the frame in x and y.
KERNEL composite(const float *planes, const i32 *triangle, const u32 *atlas, i32 atlas_height, i32 atlas_width,
                 const u32 *background, i32 background_pitch, i32 height, i32 width, i32 factor, u32 *out,
                 i32 out_pitch) {
    i32 x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
    if (x >= width || y >= height) return;
    if (factor == 1)
        composite_pixel_1(x, y, planes, triangle, atlas, atlas_height, atlas_width, background, background_pitch, height, width, out, out_pitch);
    else
        composite_pixel_2(x, y, planes, triangle, atlas, atlas_height, atlas_width, background, background_pitch, height, width, out, out_pitch);
}

#else

// Only background and out may be the same memory.
KERNEL composite(i32 begin, i32 end, const float *RESTRICT planes, const i32 *RESTRICT triangle,
                 const u32 *RESTRICT atlas, i32 atlas_height, i32 atlas_width, const u32 *background,
                 i32 background_pitch, i32 height, i32 width, i32 factor, u32 *out, i32 out_pitch) {
    for (i32 y = begin; y < end; ++y)
        if (factor == 1) {
            INDEPENDENT
            for (i32 x = 0; x < width; ++x)
                composite_pixel_1(x, y, planes, triangle, atlas, atlas_height, atlas_width, background, background_pitch, height, width, out, out_pitch);
        } else {
            for (i32 x = 0; x < width; ++x)
                composite_pixel_2(x, y, planes, triangle, atlas, atlas_height, atlas_width, background, background_pitch, height, width, out, out_pitch);
        }
}

#endif
