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
#ifdef __CUDA_ARCH__
    return fminf(fmaxf(x, low), high);
#else
    x = x > low ? x : low;  // apart, each is one instruction
    return x < high ? x : high;
#endif
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

DEVICE i32 samples_along(i32 side, i32 n) { return clamp_i((2 * side + n) / (2 * n), 1, MOST_SAMPLES); }

// A colour in 1/65536 levels.
struct Colour {
    i32 r, g, b;
};

// 256 times what lies `part` / 256 of the way from a to b; 0 and 256 are a and b. Each form is the faster one there.
DEVICE i32 blended(i32 a, i32 b, i32 part) {
#ifdef __CUDA_ARCH__
    return a * (256 - part) + b * part;
#else
    return (a << 8) + (b - a) * part;
#endif
}

// The same of two channels of a word at once: each comes out below 65536, so neither reaches the other.
DEVICE u32 blended_pair(u32 a, u32 b, i32 part) {
    a &= 0xff00ffu;
    b &= 0xff00ffu;
#ifdef __CUDA_ARCH__
    return a * (u32)(256 - part) + b * (u32)part;
#else
    return (a << 8) + (b - a) * (u32)part;
#endif
}

// The frame at (u, v), in 1/256 pixels from the first pixel's centre: bilinear, clamped at the border.
DEVICE Colour sampled(float u, float v, const u32 *RESTRICT frame, i32 pitch, i32 height, i32 width) {
    i32 iu = (i32)(clamp_f(u, 0.0f, (float)((width - 1) * 256)) + 0.5f);
    i32 iv = (i32)(clamp_f(v, 0.0f, (float)((height - 1) * 256)) + 0.5f);
    i32 x = min_i(iu >> 8, width - 2), y = min_i(iv >> 8, height - 2);  // so that the last pixel is the next one
    i32 fu = iu - (x << 8), fv = iv - (y << 8);
    i32 above = y * pitch + x, below = above + pitch;
    u32 p00 = READ(frame, above), p01 = READ(frame, above + 1), p10 = READ(frame, below), p11 = READ(frame, below + 1);
    u32 upper = blended_pair(p00, p01, fu), lower = blended_pair(p10, p11, fu);
    i32 green = blended(blended((p00 >> 8) & 255, (p01 >> 8) & 255, fu),
                        blended((p10 >> 8) & 255, (p11 >> 8) & 255, fu), fv);
    return {blended(upper & 0xffff, lower & 0xffff, fv), green, blended(upper >> 16, lower >> 16, fv)};
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
    return (READ(frame, y * pitch + x) & 0xff000000u) | tinted(c.r, r) | tinted(c.g, g) << 8 | tinted(c.b, b) << 16;
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

DEVICE float mixed(float p00, float p01, float p10, float p11, Corners k) {
    return (p00 * k.w00 + p01 * k.w01) + (p10 * k.w10 + p11 * k.w11);
}

#ifdef __CUDACC__

// The row's part of an array. The compiler is kept from adding this to every index anew.
template <typename T> DEVICE T *of_row(T *array, i64 elements) {
    array += elements;
#ifdef __CUDA_ARCH__
    asm("" : "+l"(array));
#endif
    return array;
}

struct alignas(16) Four {
    float a, b, c, d;
};

// Everything below works on a batch: z of the grid is its row, for which `boxes` [rows, 3] has x, y and side. Launch bounds
// are what an H200 was fastest with, blocks of kernels.cuda.ACROSS among them.

// A thread works on so many pixels or elements of a column, one below the other: what belongs to the column is worked
// out once, and rows of the maps are kept from one to the next.
#define DOWN 8

// COUNT maps at one column: the rows around the last place along it, resampled along the rows and weighted.
template <i32 COUNT> struct Column {
    const float *maps;
    i32 n, low, high;
    float part, weight;
    float upper[COUNT], lower[COUNT];
    i32 held;
};

template <i32 COUNT>
DEVICE Column<COUNT> column_at(const float *RESTRICT maps, i32 n, Between across, float weight) {
    Column<COUNT> column;
    column.maps = maps;
    column.n = n;
    column.low = across.low;
    column.high = across.high;
    column.part = across.part;
    column.weight = weight;
    column.held = -1;
    return column;
}

template <i32 COUNT> DEVICE void resample_row(const Column<COUNT> &column, i32 row, float *RESTRICT values) {
    const float *low = column.maps + (row * column.n + column.low), *high = low + (column.high - column.low);
#pragma unroll
    for (i32 map = 0; map < COUNT; ++map) {
        values[map] = between(READ(low, 0), READ(high, 0), column.part) * column.weight;
        low += column.n * column.n;
        high += column.n * column.n;
    }
}

template <i32 COUNT> DEVICE void hold(Column<COUNT> &column, Between down) {
    if (column.held == down.low) return;
    if (column.held + 1 == down.low && column.held >= 0) {
#pragma unroll
        for (i32 map = 0; map < COUNT; ++map) column.upper[map] = column.lower[map];
    } else {
        resample_row(column, down.low, column.upper);
    }
    resample_row(column, down.high, column.lower);
    column.held = down.low;
}

// Grid: pixels of a frame in x, and DOWN of them a thread in y.
KERNEL __launch_bounds__(128, 12) refine(const u32 *RESTRICT frame, i32 pitch, i32 height, i32 width,
                                         const i32 *RESTRICT boxes, const float *RESTRICT maps, i32 n,
                                         u32 *RESTRICT out, i32 out_pitch) {
    i32 x = blockIdx.x * blockDim.x + threadIdx.x, y0 = (blockIdx.y * blockDim.y + threadIdx.y) * DOWN;
    i32 row = blockIdx.z, y1 = min_i(y0 + DOWN, height);
    if (x >= width) return;
    i32 left = boxes[3 * row], top = boxes[3 * row + 1], side = boxes[3 * row + 2];
    frame = of_row(frame, (i64)row * height * pitch);
    maps = of_row(maps, (i64)row * 5 * n * n);
    out = of_row(out, (i64)row * height * out_pitch);
    i32 i = x - left;
    if (i < 0 || i >= side || y1 <= top || y0 >= top + side) {
        for (i32 y = y0; y < y1; ++y) out[y * out_pitch + x] = READ(frame, y * pitch + x);
        return;
    }
    float step = (float)n / (float)side, move = (float)side / (float)n * 256.0f;
    Column<5> column = column_at<5>(maps, n, placed(seen_at(i, step), n), fade(i, side));
    for (i32 y = y0; y < y1; ++y) {
        i32 j = y - top;
        u32 result = READ(frame, y * pitch + x);
        if (j >= 0 && j < side) {
            Between down = placed(seen_at(j, step), n);
            hold(column, down);
            float weight = fade(j, side), weight_move = weight * move;
            const float *upper = column.upper, *lower = column.lower;
            result = refined(x, y, between(upper[0], lower[0], down.part) * weight_move,
                             between(upper[1], lower[1], down.part) * weight_move,
                             between(upper[2], lower[2], down.part) * weight,
                             between(upper[3], lower[3], down.part) * weight,
                             between(upper[4], lower[4], down.part) * weight, frame, pitch, height, width);
        }
        out[y * out_pitch + x] = result;
    }
}

// Grid: elements of the crop in x, and DOWN of them a thread in y.
KERNEL __launch_bounds__(128, 16) warp_image(const u32 *RESTRICT frame, i32 pitch, i32 height, i32 width,
                                             const i32 *RESTRICT boxes, const float *RESTRICT flow, i32 flow_n, i32 n,
                                             float *RESTRICT out) {
    i32 x = blockIdx.x * blockDim.x + threadIdx.x, y0 = (blockIdx.y * blockDim.y + threadIdx.y) * DOWN;
    i32 row = blockIdx.z, y1 = min_i(y0 + DOWN, n);
    if (x >= n) return;
    i32 left = boxes[3 * row], top = boxes[3 * row + 1], side = boxes[3 * row + 2];
    frame = of_row(frame, (i64)row * height * pitch);
    flow = of_row(flow, (i64)row * 2 * flow_n * flow_n);
    out = of_row(out, (i64)row * 3 * n * n);
    i32 samples = samples_along(side, n), plane = n * n;
    float step = (float)side / (float)(n * samples), move = (float)side / (float)flow_n * 256.0f;
    float flow_step = (float)flow_n / (float)n, scale = crop_scale(samples);
    Column<2> column = column_at<2>(flow, flow_n, placed(seen_at(x, flow_step), flow_n), 1.0f);
    float *red = out + (y0 * n + x), *green = red + plane, *blue = green + plane;
    for (i32 y = y0; y < y1; ++y, red += n, green += n, blue += n) {
        Between down = placed(seen_at(y, flow_step), flow_n);
        hold(column, down);
        float u = between(column.upper[0], column.lower[0], down.part) * move;
        float v = between(column.upper[1], column.lower[1], down.part) * move;
        Colour sum = crop_sample(x, y, 0, 0, samples, u, v, frame, pitch, height, width, left, top, step);
        for (i32 k = 1; k < samples * samples; ++k) {
            Colour c = crop_sample(x, y, k % samples, k / samples, samples, u, v, frame, pitch, height, width, left,
                                   top, step);
            sum = {sum.r + c.r, sum.g + c.g, sum.b + c.b};
        }
        *red = (float)sum.r * scale;
        *green = (float)sum.g * scale;
        *blue = (float)sum.b * scale;
    }
}

// Grid: a row's elements, one thread for each FOUR channels of each, in x; rows in y.
KERNEL warp_features(const Four *RESTRICT features, const float *RESTRICT flow, const float *RESTRICT occlusion,
                     i32 height, i32 width, i32 channels, Four *RESTRICT out) {
    u32 fours = (u32)channels / 4;
    u32 at = blockIdx.x * blockDim.x + threadIdx.x, x = at / fours;
    i32 y = blockIdx.y * blockDim.y + threadIdx.y;
    if (x >= (u32)width || y >= height) return;
    i64 elements = (i64)blockIdx.z * height * width;
    flow += 2 * elements;
    occlusion += elements;
    features += elements * fours;
    out += elements * fours;
    Corners k = corners((i32)x, y, flow, occlusion, height, width, (i32)fours);
    i32 c = (i32)(at - x * fours);
    Four p00 = features[k.at00 + c], p01 = features[k.at01 + c], p10 = features[k.at10 + c], p11 = features[k.at11 + c];
    out[y * width * (i32)fours + (i32)at] = {mixed(p00.a, p01.a, p10.a, p11.a, k), mixed(p00.b, p01.b, p10.b, p11.b, k),
                                             mixed(p00.c, p01.c, p10.c, p11.c, k), mixed(p00.d, p01.d, p10.d, p11.d, k)};
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
                for (i32 c = eight; c < eight + 8; ++c)
                    to[c] = mixed(features[k.at00 + c], features[k.at01 + c], features[k.at10 + c],
                                  features[k.at11 + c], k);
        }
}

#endif
