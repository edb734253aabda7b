// What rasterising does per vertex, triangle and pixel; see rasterise.cu and frame/frame.cu.
#pragma once
#include "kernel.h"

#define SUBPIXEL 256
#define LIMIT_PX 16384.0f       // positions beyond are dropped with their triangles; keeps products within 64 bits
#define INVALID (-2147483647 - 1)
#define SMALL 16384             // 64 px: the edge functions of smaller triangles fit 32 bits
#define EMPTY 0x7fffffffffffffffLL

// A whole number that orders like the float it is made of.
DEVICE i32 ordered(float value) {
#ifdef __CUDACC__
    i32 bits = __float_as_int(value);
#else
    i32 bits;
    memcpy(&bits, &value, sizeof bits);
#endif
    return bits ^ ((bits >> 31) & 0x7fffffff);
}

DEVICE void keep_nearest(i64 *key, bool inside, i64 candidate) {
#ifdef __CUDACC__
    if (inside) atomicMin(key, candidate);
#else
    candidate = inside ? candidate : EMPTY;  // without a branch, so that the loop over a row vectorises
    *key = candidate < *key ? candidate : *key;
#endif
}

// Edge function of a->b at p, in 1/256 px squared: positive to the right of the edge (y points down).
DEVICE i64 edge(i32 ax, i32 ay, i32 bx, i32 by, i32 px, i32 py) {
    return (i64)(bx - ax) * (py - ay) - (i64)(by - ay) * (px - ax);
}

// 0 where a centre on the edge a->b belongs to the triangle (top or left edge), else -1.
DEVICE i64 edge_bias(i32 ax, i32 ay, i32 bx, i32 by) {
    i32 dx = bx - ax, dy = by - ay;
    return (dy < 0 || (dy == 0 && dx > 0)) ? 0 : -1;
}

// Position [3] to whole 1/256 pixels [2] of the grid.
DEVICE void snap_position(const float *RESTRICT position, float x0, float y0, float scale, i32 *RESTRICT snapped) {
    float x = (position[0] - x0) * scale, y = (position[1] - y0) * scale, z = position[2];
    // Written so that NaN fails too.
    bool valid = x > -LIMIT_PX && x < LIMIT_PX && y > -LIMIT_PX && y < LIMIT_PX && z > -1e30f && z < 1e30f;
    if (!valid) {
        snapped[0] = INVALID;
        snapped[1] = INVALID;
        return;
    }
    // Truncation of a positive number is floor; the offset keeps it positive.
    snapped[0] = (i32)((x + LIMIT_PX) * SUBPIXEL + 0.5f) - (i32)LIMIT_PX * SUBPIXEL;
    snapped[1] = (i32)((y + LIMIT_PX) * SUBPIXEL + 0.5f) - (i32)LIMIT_PX * SUBPIXEL;
}

// Walks the pixels of one triangle; Whole holds its edge functions without overflow.
template <typename Whole>
DEVICE void draw_triangle(i32 t, i32 ax, i32 ay, i32 bx, i32 by, i32 cx, i32 cy, float za, float zb, float zc, i32 left,
                          i32 right, i32 top, i32 bottom, i32 width, i64 *keys) {
    i32 px = left * SUBPIXEL + SUBPIXEL / 2, py = top * SUBPIXEL + SUBPIXEL / 2;
    Whole row_a = (Whole)edge(bx, by, cx, cy, px, py), row_b = (Whole)edge(cx, cy, ax, ay, px, py);
    Whole row_c = (Whole)edge(ax, ay, bx, by, px, py);
    Whole right_a = (Whole)(by - cy) * SUBPIXEL, right_b = (Whole)(cy - ay) * SUBPIXEL, right_c = (Whole)(ay - by) * SUBPIXEL;
    Whole down_a = (Whole)(cx - bx) * SUBPIXEL, down_b = (Whole)(ax - cx) * SUBPIXEL, down_c = (Whole)(bx - ax) * SUBPIXEL;
    Whole bias_a = edge_bias(bx, by, cx, cy), bias_b = edge_bias(cx, cy, ax, ay), bias_c = edge_bias(ax, ay, bx, by);
    for (i32 y = top; y <= bottom; ++y, row_a += down_a, row_b += down_b, row_c += down_c) {
        Whole ea = row_a, eb = row_b, ec = row_c;
        i64 *row = keys + (i64)y * width;
        INDEPENDENT
        for (i32 x = left; x <= right; ++x, ea += right_a, eb += right_b, ec += right_c) {
            float z = za + ((float)eb * zb + (float)ec * zc);
            bool inside = ((ea + bias_a) | (eb + bias_b) | (ec + bias_c)) >= 0;
            keep_nearest(row + x, inside, (i64)ordered(z) * 4294967296LL + t);
        }
    }
}

// FIXED, if not 0, is the number of channels known to the compiler: the frame's own three are twice as fast so.
// Draws one triangle's keys and notes its interpolation: for each triangle that touches a pixel centre,
// setup = {x, y of its first corner, then per channel: value there, slope along x, slope along y}.
template <i32 FIXED>
DEVICE void depth_corners(i32 t, i32 a, i32 b, i32 c, i32 ax, i32 ay, i32 bx, i32 by, i32 cx, i32 cy,
                          const float *RESTRICT positions, const float *RESTRICT attributes, i32 channels, i32 height,
                          i32 width, float *RESTRICT setup, i64 *RESTRICT keys) {
    channels = FIXED ? FIXED : channels;
    if (ax == INVALID || bx == INVALID || cx == INVALID) return;

    // Pixels whose centre (at +128) lies within the bounding box.
    i32 low_x = min_i(ax, min_i(bx, cx)), high_x = max_i(ax, max_i(bx, cx));
    i32 low_y = min_i(ay, min_i(by, cy)), high_y = max_i(ay, max_i(by, cy));
    i32 left = max_i((low_x + 127) >> 8, 0), right = min_i((high_x - 128) >> 8, width - 1);
    i32 top = max_i((low_y + 127) >> 8, 0), bottom = min_i((high_y - 128) >> 8, height - 1);
    if (left > right || top > bottom) return;

    i64 area = edge(ax, ay, bx, by, cx, cy);
    if (area == 0) return;
    if (area < 0) {  // both sides of a surface are drawn
        i32 swap;
        swap = b; b = c; c = swap;
        swap = bx; bx = cx; cx = swap;
        swap = by; by = cy; cy = swap;
        area = -area;
    }
    float inverse_area = 1.0f / (float)area;
    float za = positions[3 * a + 2];
    float zb = (positions[3 * b + 2] - za) * inverse_area, zc = (positions[3 * c + 2] - za) * inverse_area;
    if (high_x - low_x < SMALL && high_y - low_y < SMALL)
        draw_triangle<i32>(t, ax, ay, bx, by, cx, cy, za, zb, zc, left, right, top, bottom, width, keys);
    else
        draw_triangle<i64>(t, ax, ay, bx, by, cx, cy, za, zb, zc, left, right, top, bottom, width, keys);

    float *record = setup + (i64)t * (2 + 3 * channels);
    record[0] = (float)ax;
    record[1] = (float)ay;
    float b_right = (float)(cy - ay) * inverse_area, b_down = (float)(ax - cx) * inverse_area;
    float c_right = (float)(ay - by) * inverse_area, c_down = (float)(bx - ax) * inverse_area;
    for (i32 k = 0; k < channels; ++k) {
        float value = attributes[channels * a + k];
        float to_b = attributes[channels * b + k] - value, to_c = attributes[channels * c + k] - value;
        record[2 + 3 * k] = value;
        record[3 + 3 * k] = b_right * to_b + c_right * to_c;
        record[4 + 3 * k] = b_down * to_b + c_down * to_c;
    }
}

// The same with the corners' snapped positions, [V, 2].
template <i32 FIXED>
DEVICE void depth_triangle(i32 t, const i32 *RESTRICT snapped, const float *RESTRICT positions,
                           const i32 *RESTRICT triangles, const float *RESTRICT attributes, i32 channels, i32 height,
                           i32 width, float *RESTRICT setup, i64 *RESTRICT keys) {
    i32 a = triangles[3 * t], b = triangles[3 * t + 1], c = triangles[3 * t + 2];
    depth_corners<FIXED>(t, a, b, c, snapped[2 * a], snapped[2 * a + 1], snapped[2 * b], snapped[2 * b + 1],
                         snapped[2 * c], snapped[2 * c + 1], positions, attributes, channels, height, width, setup, keys);
}

// One channel of a triangle's record at a pixel centre dx, dy (1/256 px) from its first corner.
DEVICE float interpolated(const float *RESTRICT record, i32 channel, float dx, float dy) {
    return record[2 + 3 * channel] + (record[3 + 3 * channel] * dx + record[4 + 3 * channel] * dy);
}

// Where the centre of pixel x (or y) lies from a record's first corner.
DEVICE float from_corner(i32 pixel, float corner) { return (float)(pixel * SUBPIXEL + SUBPIXEL / 2) - corner; }

template <i32 FIXED>
DEVICE void resolve_pixel(i32 x, i32 y, const i64 *RESTRICT keys, const float *RESTRICT setup, i32 channels,
                          i32 height, i32 width, float *RESTRICT out_attributes, i32 *RESTRICT out_triangle) {
    channels = FIXED ? FIXED : channels;
    i64 pixel = (i64)y * width + x, plane = (i64)height * width;
    i64 key = keys[pixel];
    if (key == EMPTY) {
        out_triangle[pixel] = -1;
        for (i32 k = 0; k < channels; ++k) out_attributes[k * plane + pixel] = 0.0f;
        return;
    }
    i32 t = (i32)(key & 0xffffffff);
    const float *record = setup + (i64)t * (2 + 3 * channels);
    float dx = from_corner(x, record[0]), dy = from_corner(y, record[1]);
    out_triangle[pixel] = t;
    for (i32 k = 0; k < channels; ++k) out_attributes[k * plane + pixel] = interpolated(record, k, dx, dy);
}
