// Fused warp, shade, coverage and background: from rasterised texture coordinates to one RGBX frame.
//
// The frame may be rasterised `factor` times finer than it is drawn (1 or 2): finer samples of one smooth patch
// are averaged before the texture is read, those across an edge after it.
#include "composite/composite.h"

DEVICE void composite_pixel_1(i32 x, i32 y, const float *RESTRICT planes, const i32 *RESTRICT triangle,
                              const u32 *RESTRICT atlas, i32 atlas_height, i32 atlas_width, const u32 *background,
                              i32 background_pitch, i32 height, i32 width, i32 opacity, u32 *out, i32 out_pitch) {
    i64 pixel = (i64)y * width + x, plane = (i64)height * width;
    u32 under = background[(i64)y * background_pitch + x] | 0xff000000u;
    u32 over = shaded_texel(planes[pixel], planes[plane + pixel], planes[2 * plane + pixel], atlas, atlas_height,
                            atlas_width, opacity, under);
    out[(i64)y * out_pitch + x] = triangle[pixel] < 0 ? under : over;
}

DEVICE void composite_pixel_2(i32 x, i32 y, const float *RESTRICT planes, const i32 *RESTRICT triangle,
                              const u32 *RESTRICT atlas, i32 atlas_height, i32 atlas_width, const u32 *background,
                              i32 background_pitch, i32 height, i32 width, i32 opacity, u32 *out, i32 out_pitch) {
    i64 plane = (i64)height * width * 4;
    u32 under = background[(i64)y * background_pitch + x] | 0xff000000u;
    Sample sample[4];
    for (i32 k = 0; k < 4; ++k) {
        i64 place = (i64)(2 * y + (k >> 1)) * (2 * width) + 2 * x + (k & 1);
        sample[k].u = planes[place];
        sample[k].v = planes[plane + place];
        sample[k].shade = planes[2 * plane + place];
        sample[k].covered = triangle[place] >= 0;
    }
    out[(i64)y * out_pitch + x] = four_samples(sample, atlas, atlas_height, atlas_width, opacity, under);
}

#ifdef __CUDACC__

// Grid: pixels of the frame in x and y.
KERNEL composite(const float *planes, const i32 *triangle, const u32 *atlas, i32 atlas_height, i32 atlas_width,
                 const u32 *background, i32 background_pitch, i32 height, i32 width, i32 factor, i32 opacity, u32 *out,
                 i32 out_pitch) {
    i32 x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
    if (x >= width || y >= height) return;
    if (factor == 1)
        composite_pixel_1(x, y, planes, triangle, atlas, atlas_height, atlas_width, background, background_pitch, height, width, opacity, out, out_pitch);
    else
        composite_pixel_2(x, y, planes, triangle, atlas, atlas_height, atlas_width, background, background_pitch, height, width, opacity, out, out_pitch);
}

#else

// Only background and out may be the same memory.
KERNEL composite(i32 begin, i32 end, const float *RESTRICT planes, const i32 *RESTRICT triangle,
                 const u32 *RESTRICT atlas, i32 atlas_height, i32 atlas_width, const u32 *background,
                 i32 background_pitch, i32 height, i32 width, i32 factor, i32 opacity, u32 *out, i32 out_pitch) {
    for (i32 y = begin; y < end; ++y)
        if (factor == 1) {
            INDEPENDENT
            for (i32 x = 0; x < width; ++x)
                composite_pixel_1(x, y, planes, triangle, atlas, atlas_height, atlas_width, background, background_pitch, height, width, opacity, out, out_pitch);
        } else {
            for (i32 x = 0; x < width; ++x)
                composite_pixel_2(x, y, planes, triangle, atlas, atlas_height, atlas_width, background, background_pitch, height, width, opacity, out, out_pitch);
        }
}

#endif
