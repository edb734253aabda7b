// What compositing does per pixel; see composite.cu and frame/frame.cu.
#pragma once
#include "kernel.h"

#define SMOOTH_TEXELS 8.0f  // texture coordinates of one frame pixel further apart than this span an edge

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
// over `under` by the texture's coverage times opacity / 256. 8-bit subtexel weights; all integer from there on.
DEVICE u32 shaded_texel(float u, float v, float shade, const u32 *RESTRICT atlas, i32 atlas_height, i32 atlas_width,
                        i32 opacity, u32 under) {
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
    coverage = (coverage * opacity + 128) >> 8;
    return 0xff000000u | mixed_channel(p00, p01, p10, p11, w00, w01, w10, w11, gain, coverage, under, 0) |
           mixed_channel(p00, p01, p10, p11, w00, w01, w10, w11, gain, coverage, under, 8) |
           mixed_channel(p00, p01, p10, p11, w00, w01, w10, w11, gain, coverage, under, 16);
}

struct Sample {  // texture coordinates and shade; nothing is drawn where covered is 0
    float u, v, shade;
    i32 covered;
};

// Four samples of one pixel: averaged before the texture is read where they are one smooth patch, else after it.
DEVICE u32 four_samples(const Sample *sample, const u32 *RESTRICT atlas, i32 atlas_height, i32 atlas_width, i32 opacity,
                        u32 under) {
    i32 covered = sample[0].covered + sample[1].covered + sample[2].covered + sample[3].covered;
    if (covered == 0) return under;
    if (covered == 4) {
        float u_low = sample[0].u, v_low = sample[0].v;
        float u_high = u_low, v_high = v_low, u_sum = 0.0f, v_sum = 0.0f, shade_sum = 0.0f;
        for (i32 k = 0; k < 4; ++k) {
            float u = sample[k].u, v = sample[k].v;
            u_low = u < u_low ? u : u_low;
            v_low = v < v_low ? v : v_low;
            u_high = u > u_high ? u : u_high;
            v_high = v > v_high ? v : v_high;
            u_sum = u_sum + u;
            v_sum = v_sum + v;
            shade_sum = shade_sum + sample[k].shade;
        }
        if (u_high - u_low < SMOOTH_TEXELS && v_high - v_low < SMOOTH_TEXELS)
            return shaded_texel(u_sum * 0.25f, v_sum * 0.25f, shade_sum * 0.25f, atlas, atlas_height, atlas_width,
                                opacity, under);
    }
    u32 even = 0, odd = 0;  // sums of channels 0 and 2, and of channel 1
    for (i32 k = 0; k < 4; ++k) {
        u32 colour = under;
        if (sample[k].covered)
            colour = shaded_texel(sample[k].u, sample[k].v, sample[k].shade, atlas, atlas_height, atlas_width, opacity,
                                  under);
        even += colour & 0x00ff00ffu;
        odd += (colour >> 8) & 0xffu;
    }
    return 0xff000000u | (((even + 0x00020002u) >> 2) & 0x00ff00ffu) | (((odd + 2) >> 2) << 8);
}
