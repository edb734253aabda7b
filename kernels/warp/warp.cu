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
template <typename T> DEVICE T *of_row(T *array, u32 row, u32 elements) {
    array += (u64)row * elements;
#ifdef __CUDA_ARCH__
    asm("" : "+l"(array));
#endif
    return array;
}

struct alignas(16) Four {
    float a, b, c, d;
};

// Everything below works on a batch: z of the grid is its row, for which `boxes` [rows, 3] has x, y and side.

// A thread works on DOWN pixels or elements of a column, one below the other: what belongs to the column is worked out
// once, and rows of the maps are kept from one to the next. Registers are bounded so that a multiprocessor holds BLOCKS
// blocks of THREADS. All of these are as kernels.warp.cuda launches, and may be defined before, to try others.
#ifndef REFINE_DOWN
#define REFINE_DOWN 8
#define REFINE_THREADS 128
#define REFINE_BLOCKS 9
#endif
#ifndef WARP_IMAGE_DOWN
#define WARP_IMAGE_DOWN 8
#define WARP_IMAGE_THREADS 128
#define WARP_IMAGE_BLOCKS 8
#endif

// COUNT maps at one column: the rows around the last place along it, resampled along the rows and weighted.
template <i32 COUNT> struct Column {
    const float *maps;
    i32 n, low, to_high;
    float last, part, weight;
    float upper[COUNT], lower[COUNT];
    u32 held;
};

// The column at the place `at` along the rows.
template <i32 COUNT> DEVICE Column<COUNT> column_at(const float *RESTRICT maps, i32 n, float at, float weight) {
    Between across = placed(at, n);
    Column<COUNT> column;
    column.maps = maps;
    column.low = across.low;
    column.to_high = across.high - across.low;
    column.n = n;
    column.last = (float)(n - 1);
    column.part = across.part;
    column.weight = weight;
    column.held = 0;
    return column;
}

template <i32 COUNT> DEVICE void resample_row(const Column<COUNT> &column, i32 row, float *RESTRICT values) {
    const float *low = column.maps + (row * column.n + column.low), *high = low + column.to_high;
#pragma unroll
    for (i32 map = 0; map < COUNT; ++map) {
        values[map] = between(READ(low, 0), READ(high, 0), column.part) * column.weight;
        low += column.n * column.n;
        high += column.n * column.n;
    }
}

// Holds the rows around the place `at` down the column; how far on from the upper one that is.
template <i32 COUNT> DEVICE float hold(Column<COUNT> &column, float at) {
    at = clamp_f(at, 0.0f, column.last);
    u32 low = floor_bits(at);
    if (low != column.held) {
        i32 row = (i32)(low - FLOOR_BITS_0);
        if (low - 1 == column.held) {
#pragma unroll
            for (i32 map = 0; map < COUNT; ++map) column.upper[map] = column.lower[map];
        } else {
            resample_row(column, row, column.upper);
        }
        resample_row(column, min_i(row + 1, column.n - 1), column.lower);
        column.held = low;
    }
    return at - floor_of(low);
}

template <i32 COUNT> DEVICE float down_column(const Column<COUNT> &column, i32 map, float part) {
    return between(column.upper[map], column.lower[map], part);
}

// Brings `DOWN` rows of a column and the one after them nearer, all at once, before the first is waited for.
template <i32 DOWN, typename T> DEVICE void fetch_column(const T *array, i32 pitch, i32 x, i32 y, i32 last) {
#pragma unroll
    for (i32 k = 0; k <= DOWN; ++k) fetch(array + (min_i(y + k, last) * pitch + x));
}

// A frame to read between the pixels of.
struct Frame {
    const u32 *pixels;
    i32 pitch, most_x, most_y;
};

DEVICE Frame frame_of(const u32 *pixels, i32 pitch, i32 height, i32 width) {
    return {pixels, pitch, width - 2, height - 2};
}

// Four pixels of a frame, and how far a place lies between them: rightwards in the upper half of `across`, of which 256
// less that is the lower one, and downwards.
struct Around {
    u32 p00, p01, p10, p11;
    u32 across;
    i32 down;
};

// The pixels around (u, v), in 1/256 pixels from the first pixel's centre, clamped at the border.
DEVICE Around around(float u, float v, Frame frame) {
    u32 iu = floor_bits((u > 0.0f ? u : 0.0f) + 0.5f), iv = floor_bits((v > 0.0f ? v : 0.0f) + 0.5f);
    i32 x = min_i((i32)(iu >> 8) - (FLOOR_BITS_0 >> 8), frame.most_x);
    i32 y = min_i((i32)(iv >> 8) - (FLOOR_BITS_0 >> 8), frame.most_y);
    // Beyond the border 256, as at the last pixel: x and y are those of the last but one.
    i32 right = min_i((i32)(iu - ((u32)x << 8)) - FLOOR_BITS_0, 256);
    i32 down = min_i((i32)(iv - ((u32)y << 8)) - FLOOR_BITS_0, 256);
    i32 above = y * frame.pitch + x, below = above + frame.pitch;
    return {READ(frame.pixels, above), READ(frame.pixels, above + 1), READ(frame.pixels, below),
            READ(frame.pixels, below + 1), (u32)right * 65535u + 256u, down};
}

// `more`, and the bilinear mean of what lies around a place.
DEVICE Colour mixed(Around at, Colour more) {
    i32 down = at.down, up = 256 - down;
    u32 upper = chosen_bytes(at.p00, at.p01, 0x5140), lower = chosen_bytes(at.p10, at.p11, 0x5140);  // R, R, G, G
    u32 upper_b = chosen_bytes(at.p00, at.p01, 0x62), lower_b = chosen_bytes(at.p10, at.p11, 0x62);
    return {(i32)dot_low(at.across, lower) * down + more.r + (i32)dot_low(at.across, upper) * up,
            (i32)dot_high(at.across, lower) * down + more.g + (i32)dot_high(at.across, upper) * up,
            (i32)dot_low(at.across, lower_b) * down + more.b + (i32)dot_low(at.across, upper_b) * up};
}

// A residual in 1/65536 levels to add to a colour; far beyond 255 levels already, it is cut where sums would overflow.
DEVICE i32 residual(float value) { return min_i(whole(value), 0x7e000000); }

// A colour to whole levels, 0 to 255, in bits 16 to 23.
DEVICE u32 rounded(i32 value) { return (u32)add_clamped(value, 32768, 0xffffff); }

// Grid: pixels of a frame in x, and REFINE_DOWN of them a thread in y.
KERNEL __launch_bounds__(REFINE_THREADS, REFINE_BLOCKS) refine(const u32 *RESTRICT frame, i32 pitch, i32 height,
                                                               i32 width, const i32 *RESTRICT boxes,
                                                               const float *RESTRICT maps, i32 n, u32 *RESTRICT out,
                                                               i32 out_pitch) {
    i32 x = blockIdx.x * blockDim.x + threadIdx.x, y0 = (blockIdx.y * blockDim.y + threadIdx.y) * REFINE_DOWN;
    i32 row = blockIdx.z, y1 = min_i(y0 + REFINE_DOWN, height);
    if (x >= width) return;
    i32 left = boxes[3 * row], top = boxes[3 * row + 1], side = boxes[3 * row + 2], i = x - left;
    frame = of_row(frame, row, height * pitch);
    out += (u64)row * (u32)(height * out_pitch);
    const u32 *from = frame + (y0 * pitch + x);
    u32 *to = out + (y0 * out_pitch + x);
    if ((u32)i >= (u32)side || y1 <= top || y0 >= top + side) {
        if (y1 - y0 == REFINE_DOWN) {
#pragma unroll
            for (i32 k = 0; k < REFINE_DOWN; ++k) to[(i64)out_pitch * k] = READ(from, (i64)pitch * k);
        } else {
            for (i32 k = 0; k < y1 - y0; ++k) to[k * out_pitch] = READ(from, k * pitch);
        }
        return;
    }
    float step = (float)n / (float)side, move = (float)side / (float)n * 256.0f;
    Column<5> column = column_at<5>(of_row(maps, row, 5u * n * n), n, seen_at(i, step), fade(i, side));
    Frame read = frame_of(frame, pitch, height, width);
    float x256 = (float)(x * 256), y256 = (float)(y0 * 256), j = (float)(y0 - top) + 0.5f;
    float from_edge = 1.0f / (FADE_SHARE * (float)side);
    fetch_column<REFINE_DOWN>(frame, pitch, x, y0, height - 1);
    i32 first = whole(clamp_f(j * step - 0.5f, 0.0f, column.last));
#pragma unroll
    for (i32 map = 0; map < 5; ++map)
        fetch_column<REFINE_DOWN>(column.maps + map * n * n, n, column.low, first, n - 1);
    for (i32 rows = y1 - y0; rows > 0; --rows, from += pitch, to += out_pitch, j += 1.0f, y256 += 256.0f) {
        u32 result = READ(from, 0);
        float past = (float)side - j, nearest = j < past ? j : past;
        if (nearest > 0.0f) {
            float part = hold(column, j * step - 0.5f);
            float t = nearest * from_edge;
            t = t < 1.0f ? t : 1.0f;
            float weight = t * t * (3.0f - 2.0f * t), move_weight = weight * move, tint = weight * 65536.0f;
            Colour more = {residual(down_column(column, 2, part) * tint), residual(down_column(column, 3, part) * tint),
                           residual(down_column(column, 4, part) * tint)};
            Colour c = mixed(around(x256 + number_or_0(down_column(column, 0, part) * move_weight),
                                    y256 + number_or_0(down_column(column, 1, part) * move_weight), read),
                             more);
            u32 red_green = chosen_bytes(rounded(c.r), rounded(c.g), 0x62);
            result = chosen_bytes(red_green, chosen_bytes(rounded(c.b), result, 0x72), 0x5410);
        }
        *to = result;
    }
}

// A thread's elements of the crop, rows `y` to before `y1` of column `x`, which has a flow.
struct CropColumn {
    Column<2> flow;
    float flow_step, move;
    i32 x, y, y1, n;
};

// How far the element whose centre is there is moved, in 1/256 pixels.
DEVICE void moved(CropColumn &crop, float centre, float *u, float *v) {
    float part = hold(crop.flow, centre * crop.flow_step - 0.5f);
    *u = number_or_0(down_column(crop.flow, 0, part) * crop.move);
    *v = number_or_0(down_column(crop.flow, 1, part) * crop.move);
}

DEVICE void write_crop(float *out, i32 n, Colour sum, float scale) {
    out[0] = (float)sum.r * scale;
    out[n * n] = (float)sum.g * scale;
    out[2 * n * n] = (float)sum.b * scale;
}

// One sample an element: two elements at a time, so that the pixels of both are waited for at once.
DEVICE void crop_ones(CropColumn crop, Frame frame, float step, float left, float top, float *out) {
    float scale = crop_scale(1), centre = (float)crop.y + 0.5f, u256 = (seen_at(crop.x, step) + left) * 256.0f;
    i32 first_x = clamp_i(whole(u256 * (1.0f / 256.0f)), 0, frame.most_x);
    i32 first_y = clamp_i(whole(seen_at(crop.y, step) + top), 0, frame.most_y);
    fetch_column<WARP_IMAGE_DOWN>(frame.pixels, frame.pitch, first_x, first_y, frame.most_y + 1);
    for (i32 y = crop.y; y < crop.y1; y += 2, centre += 2.0f, out += 2 * crop.n) {
        Around at[2];
#pragma unroll
        for (i32 k = 0; k < 2; ++k) {
            float u, v, down = centre + (float)k;
            moved(crop, down, &u, &v);
            at[k] = around(u256 + u, (down * step - 0.5f + top) * 256.0f + v, frame);
        }
        write_crop(out, crop.n, mixed(at[0], {0, 0, 0}), scale);
        if (y + 1 < crop.y1) write_crop(out + crop.n, crop.n, mixed(at[1], {0, 0, 0}), scale);
    }
}

DEVICE void crop_several(CropColumn crop, Frame frame, i32 samples, float step, float left, float top, float *out) {
    float scale = crop_scale(samples);
    for (i32 y = crop.y; y < crop.y1; ++y, out += crop.n) {
        float u, v;
        moved(crop, (float)y + 0.5f, &u, &v);
        Colour sum = {0, 0, 0};
        for (i32 b = 0; b < samples; ++b)
            for (i32 a = 0; a < samples; ++a)
                sum = mixed(around((seen_at(crop.x * samples + a, step) + left) * 256.0f + u,
                                   (seen_at(y * samples + b, step) + top) * 256.0f + v, frame),
                            sum);
        write_crop(out, crop.n, sum, scale);
    }
}

// Grid: elements of the crop in x, and WARP_IMAGE_DOWN of them a thread in y.
KERNEL __launch_bounds__(WARP_IMAGE_THREADS, WARP_IMAGE_BLOCKS) warp_image(const u32 *RESTRICT frame, i32 pitch,
                                                                           i32 height, i32 width,
                                                                           const i32 *RESTRICT boxes,
                                                                           const float *RESTRICT flow, i32 flow_n,
                                                                           i32 n, float *RESTRICT out) {
    i32 x = blockIdx.x * blockDim.x + threadIdx.x, y0 = (blockIdx.y * blockDim.y + threadIdx.y) * WARP_IMAGE_DOWN;
    i32 row = blockIdx.z, y1 = min_i(y0 + WARP_IMAGE_DOWN, n);
    if (x >= n) return;
    i32 left = boxes[3 * row], top = boxes[3 * row + 1], side = boxes[3 * row + 2];
    // As `samples_along`, whose whole numbers take more instructions: no other quotient of sides rounds to a half.
    float ratio = (float)side / (float)n, move = (float)side / (float)flow_n * 256.0f;
    i32 samples = clamp_i((i32)(ratio + 0.5f), 1, MOST_SAMPLES);
    float flow_step = (float)flow_n / (float)n;
    Column<2> column = column_at<2>(of_row(flow, row, 2u * flow_n * flow_n), flow_n, seen_at(x, flow_step), 1.0f);
    CropColumn crop = {column, flow_step, move, x, y0, y1, n};
    Frame read = frame_of(of_row(frame, row, height * pitch), pitch, height, width);
    out += (u64)row * (3u * n * n) + (u32)(y0 * n + x);
    if (samples == 1)
        crop_ones(crop, read, ratio, (float)left, (float)top, out);
    else
        crop_several(crop, read, samples, (float)side / (float)(n * samples), (float)left, (float)top, out);
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

// 256 times what lies `part` / 256 of the way from a to b; 0 and 256 are a and b.
DEVICE i32 blended(i32 a, i32 b, i32 part) { return (a << 8) + (b - a) * part; }

// The same of two channels of a word at once: each comes out below 65536, so neither reaches the other.
DEVICE u32 blended_pair(u32 a, u32 b, i32 part) {
    a &= 0xff00ffu;
    b &= 0xff00ffu;
    return (a << 8) + (b - a) * (u32)part;
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
