// Z-buffered rasterising in three kernels: snap (per vertex), depth (per triangle), resolve (per pixel).
//
// Coverage is exact: vertices are snapped to 1/256 pixel, edge functions are 64-bit integers, the top-left rule
// gives a pixel centre on a shared edge to exactly one triangle. The nearest triangle wins by a 64-bit key,
// depth in the high half and triangle number in the low half, so the result does not depend on the order.
#include "rasterise/rasterise.h"

#ifdef __CUDACC__

// Grid: vertices in x. Fill keys with EMPTY before rasterise_depth.
KERNEL rasterise_snap(i32 vertices, const float *positions, float x0, float y0, float scale, i32 *snapped) {
    i32 v = blockIdx.x * blockDim.x + threadIdx.x;
    if (v < vertices) snap_position(positions + 3 * v, x0, y0, scale, snapped + 2 * v);
}

// Grid: triangles in x.
KERNEL rasterise_depth(i32 count, const i32 *snapped, const float *positions, const i32 *triangles,
                       const float *attributes, i32 channels, i32 height, i32 width, float *setup, i64 *keys) {
    i32 t = blockIdx.x * blockDim.x + threadIdx.x;
    if (t < count) depth_triangle<0>(t, snapped, positions, triangles, attributes, channels, height, width, setup, keys);
}

// Grid: pixels in x and y.
KERNEL rasterise_resolve(const i64 *keys, const float *setup, i32 channels, i32 height, i32 width,
                         float *out_attributes, i32 *out_triangle) {
    i32 x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
    if (x < width && y < height) resolve_pixel<0>(x, y, keys, setup, channels, height, width, out_attributes, out_triangle);
}

#else

KERNEL rasterise_snap(i32 begin, i32 end, const float *positions, float x0, float y0, float scale, i32 *snapped) {
    for (i32 v = begin; v < end; ++v) snap_position(positions + 3 * v, x0, y0, scale, snapped + 2 * v);
}

KERNEL rasterise_depth(i32 begin, i32 end, const i32 *snapped, const float *positions, const i32 *triangles,
                       const float *attributes, i32 channels, i32 height, i32 width, float *setup, i64 *keys) {
    if (channels == 3)
        for (i32 t = begin; t < end; ++t)
            depth_triangle<3>(t, snapped, positions, triangles, attributes, channels, height, width, setup, keys);
    else
        for (i32 t = begin; t < end; ++t)
            depth_triangle<0>(t, snapped, positions, triangles, attributes, channels, height, width, setup, keys);
}

KERNEL rasterise_resolve(i32 begin, i32 end, const i64 *keys, const float *setup, i32 channels, i32 height, i32 width,
                         float *out_attributes, i32 *out_triangle) {
    for (i32 y = begin; y < end; ++y)
        if (channels == 3)
            for (i32 x = 0; x < width; ++x)
                resolve_pixel<3>(x, y, keys, setup, channels, height, width, out_attributes, out_triangle);
        else
            for (i32 x = 0; x < width; ++x)
                resolve_pixel<0>(x, y, keys, setup, channels, height, width, out_attributes, out_triangle);
}

#endif
