// Z-buffered rasterising: depth (per triangle, whose corners are snapped first), then resolve (per pixel).
//
// Coverage is exact: vertices are snapped to 1/256 pixel, edge functions are 64-bit integers, the top-left rule
// gives a pixel centre on a shared edge to exactly one triangle. The nearest triangle wins by a 64-bit key,
// depth in the high half and triangle number in the low half, so the result does not depend on the order.
#include "rasterise/rasterise.h"

#ifdef __CUDACC__

// One mesh for each row of a batch, with a corner and a scale of its own in `views` [rows, 3]: x0, y0, scale.
// Grid: triangles in x, rows in y. Keys must be EMPTY; rasterise_resolve leaves them so.
KERNEL rasterise_depth(i32 vertices, const float *positions, i32 count, const i32 *triangles, i32 channels,
                            const float *attributes, const float *views, i32 height, i32 width, float *setup,
                            i64 *keys) {
    i32 t = blockIdx.x * blockDim.x + threadIdx.x, row = blockIdx.y;
    if (t >= count) return;
    positions += (i64)row * vertices * 3;
    attributes += (i64)row * vertices * channels;
    const i32 *corners = triangles + 3 * ((i64)row * count + t);
    i32 snapped[6];
    for (i32 k = 0; k < 3; ++k)
        snap_position(positions + 3 * corners[k], views[3 * row], views[3 * row + 1], views[3 * row + 2],
                      snapped + 2 * k);
    depth_corners<0>(t, corners[0], corners[1], corners[2], snapped[0], snapped[1], snapped[2], snapped[3], snapped[4],
                     snapped[5], positions, attributes, channels, height, width,
                     setup + (i64)row * count * (2 + 3 * channels), keys + (i64)row * height * width);
}

// Grid: pixels in x and y, rows in z.
KERNEL rasterise_resolve(i64 *keys, const float *setup, i32 count, i32 channels, i32 height, i32 width,
                              float *out_attributes, i32 *out_triangle) {
    i32 x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
    if (x >= width || y >= height) return;
    i64 first = (i64)blockIdx.z * height * width;
    resolve_pixel<0>(x, y, keys + first, setup + (i64)blockIdx.z * count * (2 + 3 * channels), channels, height, width,
                     out_attributes + first * channels, out_triangle + first);
    keys[first + (i64)y * width + x] = EMPTY;
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
