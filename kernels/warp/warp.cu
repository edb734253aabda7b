// The warps around the learned renderer: a frame moved and tinted by its networks' maps, the crop that they read, and
// the features that lie between them.
//
// Positions in a frame are whole 1/256 pixels and all arithmetic after that is integer, as in composite.cu. Flow that
// is not a number counts as 0; every position is clamped before it becomes an index.
#include "kernel.h"

#define FADE_SHARE 0.0625f  // of the box's side, at each of its edges
#define MOST_SAMPLES 8      // along each axis, for one element of the crop

DEVICE float number_or_0(float value) { return value == value ? value : 0.0f; }

DEVICE float clamp_f(float x, float low, float high) {
    x = x > low ? x : low;  // apart, each is one instruction
    return x < high ? x : high;
}

DEVICE float between(float a, float b, float part) { return a + (b - a) * part; }

// Element i of an axis seen from another axis over the same length: between which elements it lies, and where.
struct Between {
    i32 low, high;
    float part;
};

DEVICE float seen_at(i32 i, float step) { return ((float)i + 0.5f) * step - 0.5f; }

DEVICE Between placed(float at, i32 count) {
    at = clamp_f(at, 0.0f, (float)(count - 1));
    i32 low = (i32)at;
    return {low, min_i(low + 1, count - 1), at - (float)low};
}

// 0 at the box's edges, 1 from FADE_SHARE of its side on, smooth between.
DEVICE float fade(i32 i, i32 side) {
    float from_edge = (float)min_i(i, side - 1 - i) + 0.5f;
    float t = from_edge * (1.0f / (FADE_SHARE * (float)side));
    t = t < 1.0f ? t : 1.0f;
    return t * t * (3.0f - 2.0f * t);
}

DEVICE i32 samples_along(i32 side, i32 n) { return min_i((side + n - 1) / n, MOST_SAMPLES); }

// A colour in 1/65536 levels.
struct Colour {
    i32 r, g, b;
};

// The frame at (u, v), in 1/256 pixels from the first pixel's centre: bilinear, clamped at the border.
DEVICE Colour sampled(float u, float v, const u32 *RESTRICT frame, i32 pitch, i32 height, i32 width) {
    i32 iu = (i32)(clamp_f(u, 0.0f, (float)((width - 1) * 256)) + 0.5f);
    i32 iv = (i32)(clamp_f(v, 0.0f, (float)((height - 1) * 256)) + 0.5f);
    i32 x0 = iu >> 8, x1 = min_i(x0 + 1, width - 1), fu = iu & 255, fv = iv & 255;
    i32 y0 = (iv >> 8) * pitch, y1 = min_i((iv >> 8) + 1, height - 1) * pitch;
    u32 p00 = frame[y0 + x0], p01 = frame[y0 + x1], p10 = frame[y1 + x0], p11 = frame[y1 + x1];
    // Two channels of a word are blended at once: each comes out below 65536, so neither reaches the other.
    u32 upper = ((p00 & 0xff00ffu) << 8) + ((p01 & 0xff00ffu) - (p00 & 0xff00ffu)) * (u32)fu;
    u32 lower = ((p10 & 0xff00ffu) << 8) + ((p11 & 0xff00ffu) - (p10 & 0xff00ffu)) * (u32)fu;
    i32 g00 = (p00 >> 8) & 255, g01 = (p01 >> 8) & 255, g10 = (p10 >> 8) & 255, g11 = (p11 >> 8) & 255;
    i32 r0 = upper & 0xffff, g0 = (g00 << 8) + (g01 - g00) * fu, b0 = upper >> 16;
    i32 r1 = lower & 0xffff, g1 = (g10 << 8) + (g11 - g10) * fu, b1 = lower >> 16;
    return {(r0 << 8) + (r1 - r0) * fv, (g0 << 8) + (g1 - g0) * fv, (b0 << 8) + (b1 - b0) * fv};
}

DEVICE u32 tinted(i32 value, float residual) {
    i32 more = (i32)(clamp_f(number_or_0(residual), -255.0f, 255.0f) * 65536.0f);
    return (u32)clamp_i((value + more + 32768) >> 16, 0, 255);
}

// Pixel (x, y) displaced by (u, v) / 256 pixels, and the residual added.
DEVICE u32 refined(i32 x, i32 y, float u, float v, float r, float g, float b, const u32 *RESTRICT frame, i32 pitch,
                   i32 height, i32 width) {
    Colour c = sampled((float)(x * 256) + number_or_0(u), (float)(y * 256) + number_or_0(v), frame, pitch, height,
                       width);
    return (frame[y * pitch + x] & 0xff000000u) | tinted(c.r, r) | tinted(c.g, g) << 8 | tinted(c.b, b) << 16;
}

// What element x, y of the crop adds up over sample (a, b) of its samples x samples.
DEVICE Colour crop_sample(i32 x, i32 y, i32 a, i32 b, i32 samples, float u, float v, const u32 *RESTRICT frame,
                          i32 pitch, i32 height, i32 width, i32 left, i32 top, float step) {
    return sampled((seen_at(x * samples + a, step) + (float)left) * 256.0f + number_or_0(u),
                   (seen_at(y * samples + b, step) + (float)top) * 256.0f + number_or_0(v), frame, pitch, height,
                   width);
}

DEVICE float crop_scale(i32 samples) { return 1.0f / (255.0f * 65536.0f * (float)(samples * samples)); }

// The four elements around a displaced one, and their weights times its occlusion.
struct Corners {
    i64 at00, at01, at10, at11;
    float w00, w01, w10, w11;
};

DEVICE Corners corners(i32 x, i32 y, const float *RESTRICT flow, const float *RESTRICT occlusion, i32 height, i32 width,
                       i32 channels) {
    i64 element = (i64)y * width + x;
    Between across = placed((float)x + number_or_0(flow[element]), width);
    Between down = placed((float)y + number_or_0(flow[(i64)height * width + element]), height);
    float shown = occlusion[element];
    float lower = down.part * shown, upper = (1.0f - down.part) * shown;
    i64 row0 = (i64)down.low * width, row1 = (i64)down.high * width;
    return {(row0 + across.low) * channels, (row0 + across.high) * channels, (row1 + across.low) * channels,
            (row1 + across.high) * channels, upper * (1.0f - across.part), upper * across.part,
            lower * (1.0f - across.part), lower * across.part};
}

DEVICE float warped(const float *RESTRICT features, Corners k, i32 c) {
    return (features[k.at00 + c] * k.w00 + features[k.at01 + c] * k.w01) +
           (features[k.at10 + c] * k.w10 + features[k.at11 + c] * k.w11);
}

#ifdef __CUDACC__

// Plane `map` of n x n values, along the columns and then along the rows.
DEVICE float resampled(const float *maps, i32 map, i32 n, Between across, float column_weight, Between down) {
    const float *upper = maps + ((i64)map * n + down.low) * n, *lower = maps + ((i64)map * n + down.high) * n;
    return between(between(upper[across.low], upper[across.high], across.part) * column_weight,
                   between(lower[across.low], lower[across.high], across.part) * column_weight, down.part);
}

// Everything below works on a batch: z of the grid is its row, for which `boxes` [rows, 3] has x, y and side.

// Grid: pixels of a frame in x and y.
KERNEL refine(const u32 *frame, i32 pitch, i32 height, i32 width, const i32 *boxes, const float *maps, i32 n, u32 *out,
              i32 out_pitch) {
    i32 x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y, row = blockIdx.z;
    if (x >= width || y >= height) return;
    i32 left = boxes[3 * row], top = boxes[3 * row + 1], side = boxes[3 * row + 2];
    frame += (i64)row * height * pitch;
    maps += (i64)row * 5 * n * n;
    out += (i64)row * height * out_pitch;
    u32 result = frame[y * pitch + x];
    i32 i = x - left, j = y - top;
    if (i >= 0 && i < side && j >= 0 && j < side) {
        float step = (float)n / (float)side, move = (float)side / (float)n * 256.0f;
        Between across = placed(seen_at(i, step), n), down = placed(seen_at(j, step), n);
        float column_weight = fade(i, side), weight = fade(j, side);
        result = refined(x, y, resampled(maps, 0, n, across, column_weight, down) * (weight * move),
                         resampled(maps, 1, n, across, column_weight, down) * (weight * move),
                         resampled(maps, 2, n, across, column_weight, down) * weight,
                         resampled(maps, 3, n, across, column_weight, down) * weight,
                         resampled(maps, 4, n, across, column_weight, down) * weight, frame, pitch, height, width);
    }
    out[(i64)y * out_pitch + x] = result;
}

// Grid: elements of the crop in x and y.
KERNEL warp_image(const u32 *frame, i32 pitch, i32 height, i32 width, const i32 *boxes, const float *flow, i32 flow_n,
                  i32 n, float *out) {
    i32 x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y, row = blockIdx.z;
    if (x >= n || y >= n) return;
    i32 left = boxes[3 * row], top = boxes[3 * row + 1], side = boxes[3 * row + 2];
    frame += (i64)row * height * pitch;
    flow += (i64)row * 2 * flow_n * flow_n;
    out += (i64)row * 3 * n * n;
    i32 samples = samples_along(side, n);
    float step = (float)side / (float)(n * samples), move = (float)side / (float)flow_n * 256.0f;
    float flow_step = (float)flow_n / (float)n;
    Between across = placed(seen_at(x, flow_step), flow_n), down = placed(seen_at(y, flow_step), flow_n);
    float u = resampled(flow, 0, flow_n, across, 1.0f, down) * move;
    float v = resampled(flow, 1, flow_n, across, 1.0f, down) * move;
    Colour sum = {0, 0, 0};
    for (i32 b = 0; b < samples; ++b)
        for (i32 a = 0; a < samples; ++a) {
            Colour c = crop_sample(x, y, a, b, samples, u, v, frame, pitch, height, width, left, top, step);
            sum = {sum.r + c.r, sum.g + c.g, sum.b + c.b};
        }
    i64 element = (i64)y * n + x, plane = (i64)n * n;
    out[element] = (float)sum.r * crop_scale(samples);
    out[plane + element] = (float)sum.g * crop_scale(samples);
    out[2 * plane + element] = (float)sum.b * crop_scale(samples);
}

// Grid: channels of a row's elements, one element after the other, in x; rows in y.
KERNEL warp_features(const float *features, const float *flow, const float *occlusion, i32 height, i32 width,
                     i32 channels, float *out) {
    i32 x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
    if (x >= width * channels || y >= height) return;
    i64 elements = (i64)blockIdx.z * height * width;
    features += elements * channels;
    flow += 2 * elements;
    occlusion += elements;
    out += elements * channels;
    Corners k = corners(x / channels, y, flow, occlusion, height, width, channels);
    out[(i64)y * width * channels + x] = warped(features, k, x % channels);
}

#else

// Columns are worked on in strips: rows of the maps are resampled to a strip's columns once and kept for the frame
// rows that lie between them, in memory of a fixed size.
#define STRIP 128

struct Spread {
    i32 low[STRIP], high[STRIP];
    float part[STRIP], weight[STRIP];
    float row[2][5][STRIP];
    i32 held[2];
};

// Where the strip's columns, `first` on, of an axis with `side` elements lie between the n columns of the maps.
DEVICE void begin_strip(Spread &spread, i32 first, i32 columns, i32 side, i32 n, bool fades) {
    float step = (float)n / (float)side;
    INDEPENDENT
    for (i32 i = 0; i < columns; ++i) {
        Between across = placed(seen_at(first + i, step), n);
        spread.low[i] = across.low;
        spread.high[i] = across.high;
        spread.part[i] = across.part;
        spread.weight[i] = fades ? fade(first + i, side) : 1.0f;
    }
    spread.held[0] = spread.held[1] = -1;
}

DEVICE void hold(Spread &spread, i32 row, const float *RESTRICT maps, i32 count, i32 n, i32 columns) {
    if (spread.held[row & 1] == row) return;
    spread.held[row & 1] = row;
    for (i32 map = 0; map < count; ++map) {
        const float *from = maps + ((i64)map * n + row) * n;
        float *to = spread.row[row & 1][map];
        INDEPENDENT
        for (i32 i = 0; i < columns; ++i)
            to[i] = between(from[spread.low[i]], from[spread.high[i]], spread.part[i]) * spread.weight[i];
    }
}

KERNEL refine(i32 begin, i32 end, const u32 *RESTRICT frame, i32 pitch, i32 height, i32 width, i32 left, i32 top,
              i32 side, const float *RESTRICT maps, i32 n, u32 *RESTRICT out, i32 out_pitch) {
    i32 x0 = clamp_i(left, 0, width), x1 = clamp_i(left + side, 0, width);
    i32 y0 = clamp_i(top, begin, end), y1 = clamp_i(top + side, begin, end);
    for (i32 y = begin; y < end; ++y) {
        bool inside = y >= y0 && y < y1;
        const u32 *from = frame + (i64)y * pitch;
        u32 *to = out + (i64)y * out_pitch;
        memcpy(to, from, 4 * (size_t)(inside ? x0 : width));
        if (inside) memcpy(to + x1, from + x1, 4 * (size_t)(width - x1));
    }
    float step = (float)n / (float)side, move = (float)side / (float)n * 256.0f;
    for (i32 first = x0; first < x1; first += STRIP) {
        i32 columns = min_i(STRIP, x1 - first);
        Spread spread;
        begin_strip(spread, first - left, columns, side, n, true);
        for (i32 y = y0; y < y1; ++y) {
            Between down = placed(seen_at(y - top, step), n);
            hold(spread, down.low, maps, 5, n, columns);
            hold(spread, down.high, maps, 5, n, columns);
            const float(*upper)[STRIP] = spread.row[down.low & 1], (*lower)[STRIP] = spread.row[down.high & 1];
            float weight = fade(y - top, side), weight_move = weight * move;
            u32 *to = out + (i64)y * out_pitch + first;
            INDEPENDENT
            for (i32 i = 0; i < columns; ++i)
                to[i] = refined(first + i, y, between(upper[0][i], lower[0][i], down.part) * weight_move,
                                between(upper[1][i], lower[1][i], down.part) * weight_move,
                                between(upper[2][i], lower[2][i], down.part) * weight,
                                between(upper[3][i], lower[3][i], down.part) * weight,
                                between(upper[4][i], lower[4][i], down.part) * weight, frame, pitch, height, width);
        }
    }
}

KERNEL warp_image(i32 begin, i32 end, const u32 *RESTRICT frame, i32 pitch, i32 height, i32 width, i32 left, i32 top,
                  i32 side, const float *RESTRICT flow, i32 flow_n, i32 n, float *RESTRICT out) {
    i32 samples = samples_along(side, n);
    float step = (float)side / (float)(n * samples), move = (float)side / (float)flow_n * 256.0f;
    float flow_step = (float)flow_n / (float)n, scale = crop_scale(samples);
    for (i32 first = 0; first < n; first += STRIP) {
        i32 columns = min_i(STRIP, n - first);
        Spread spread;
        begin_strip(spread, first, columns, n, flow_n, false);
        for (i32 y = begin; y < end; ++y) {
            Between down = placed(seen_at(y, flow_step), flow_n);
            hold(spread, down.low, flow, 2, flow_n, columns);
            hold(spread, down.high, flow, 2, flow_n, columns);
            const float(*upper)[STRIP] = spread.row[down.low & 1], (*lower)[STRIP] = spread.row[down.high & 1];
            i32 sum[3][STRIP] = {};
            for (i32 b = 0; b < samples; ++b)
                for (i32 a = 0; a < samples; ++a) {
                    INDEPENDENT
                    for (i32 i = 0; i < columns; ++i) {
                        Colour c = crop_sample(first + i, y, a, b, samples,
                                               between(upper[0][i], lower[0][i], down.part) * move,
                                               between(upper[1][i], lower[1][i], down.part) * move, frame, pitch,
                                               height, width, left, top, step);
                        sum[0][i] += c.r;
                        sum[1][i] += c.g;
                        sum[2][i] += c.b;
                    }
                }
            for (i32 channel = 0; channel < 3; ++channel) {
                float *to = out + ((i64)channel * n + y) * n + first;
                for (i32 i = 0; i < columns; ++i) to[i] = (float)sum[channel][i] * scale;
            }
        }
    }
}

KERNEL warp_features(i32 begin, i32 end, const float *RESTRICT features, const float *RESTRICT flow,
                     const float *RESTRICT occlusion, i32 height, i32 width, i32 channels, float *RESTRICT out) {
    for (i32 y = begin; y < end; ++y)
        for (i32 x = 0; x < width; ++x) {
            Corners k = corners(x, y, flow, occlusion, height, width, channels);
            float *to = out + ((i64)y * width + x) * channels;
            for (i32 eight = 0; eight < channels; eight += 8)
                for (i32 c = eight; c < eight + 8; ++c) to[c] = warped(features, k, c);
        }
}

#endif
