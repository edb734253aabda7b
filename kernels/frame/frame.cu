// Layers of textured triangles, drawn into boxes of frames: depth (per triangle), then paint (per pixel).
//
// What rasterise and composite do in five passes over memory is done in two: paint interpolates, reads the texture and
// covers what is there at once. Tables say what each layer is (Layer, see kernels/frame/__init__.py), so a GPU draws one
// layer of many frames in one launch, and nothing about a frame has to come back to the host.
#include "rasterise/rasterise.h"
#include "composite/composite.h"
#include "colour/colour.h"

#define CHANNELS 3               // u, v, shade
#define RECORD (2 + 3 * CHANNELS)

struct Layer {
    const i32 *triangles;   // [count, 3]
    const u32 *atlas;       // [atlas_height, atlas_width]
    const u32 *background;  // [size, size] where the layer is its box's first, else 0: it lies over the frame
    i32 count, atlas_height, atlas_width;
    i32 box, attributes;    // numbers of its box and of its set of vertex attributes
    i32 fades;              // whether the frame's opacity applies
};

struct Box {  // in frame pixels; rasterised `factor` times finer; nothing is drawn where width is 0
    i32 x, y, width, height, factor;
};

DEVICE i32 opacity_of(const Layer &layer, i32 opacity) { return layer.fades ? opacity : 256; }

DEVICE bool is_drawn(const Layer &layer, const Box &box, i32 opacity) {
    return box.width > 0 && opacity_of(layer, opacity) > 0 && (layer.count > 0 || layer.background);
}

// The grid's corner in the positions' units.
DEVICE float corner(i32 pixel, float scale) { return (float)pixel / scale; }

DEVICE Sample resolved(i64 key, i32 x, i32 y, const float *RESTRICT setup) {
    Sample sample = {0.0f, 0.0f, 0.0f, key != EMPTY};
    if (!sample.covered) return sample;
    const float *record = setup + (key & 0xffffffff) * RECORD;
    float dx = from_corner(x, record[0]), dy = from_corner(y, record[1]);
    sample.u = interpolated(record, 0, dx, dy);
    sample.v = interpolated(record, 1, dx, dy);
    sample.shade = interpolated(record, 2, dx, dy);
    return sample;
}

#ifdef __CUDACC__

// Everything below draws a batch: y of the grid is its row, a face of its own in every table and buffer.

// Grid: any number of threads in x, which share the triangles. Keys must be EMPTY; frame_paint leaves them so.
KERNEL frame_depth(i32 number, i32 layer_count, const Layer *layers, i32 box_count, const Box *boxes,
                   const i32 *opacity, const float *scales, i32 vertices, const float *positions, i32 sets,
                   const float *attributes, i32 records, float *setup, i32 size, i64 *keys) {
    i32 row = blockIdx.y;
    const Layer layer = layers[row * layer_count + number];
    const Box box = boxes[row * box_count + layer.box];
    if (!is_drawn(layer, box, opacity[row])) return;
    float scale = scales[row], x0 = corner(box.x, scale), y0 = corner(box.y, scale);
    positions += (i64)row * vertices * 3;
    attributes += ((i64)row * sets + layer.attributes) * vertices * CHANNELS;
    setup += (i64)row * records * RECORD;
    keys += (i64)row * size * size;
    for (i32 t = blockIdx.x * blockDim.x + threadIdx.x; t < layer.count; t += gridDim.x * blockDim.x) {
        i32 corners[3], snapped[6];
        for (i32 k = 0; k < 3; ++k) {
            corners[k] = layer.triangles[3 * t + k];
            snap_position(positions + 3 * corners[k], x0, y0, scale * box.factor, snapped + 2 * k);
        }
        depth_corners<CHANNELS>(t, corners[0], corners[1], corners[2], snapped[0], snapped[1], snapped[2], snapped[3],
                                snapped[4], snapped[5], positions, attributes, CHANNELS, box.height * box.factor,
                                box.width * box.factor, setup, keys);
    }
}

// Grid: any number of threads in x, which share the box's pixels.
KERNEL frame_paint(i32 number, i32 layer_count, const Layer *layers, i32 box_count, const Box *boxes,
                   const i32 *opacity, i32 records, const float *setup, i32 size, i64 *keys, u32 *frames) {
    i32 row = blockIdx.y;
    const Layer layer = layers[row * layer_count + number];
    const Box box = boxes[row * box_count + layer.box];
    if (!is_drawn(layer, box, opacity[row])) return;
    i32 opaque = opacity_of(layer, opacity[row]);
    setup += (i64)row * records * RECORD;
    keys += (i64)row * size * size;
    u32 *frame = frames + (i64)row * size * size;
    for (i32 pixel = blockIdx.x * blockDim.x + threadIdx.x; pixel < box.width * box.height; pixel += gridDim.x * blockDim.x) {
        i32 x = pixel % box.width, y = pixel / box.width;
        i64 place = (i64)(box.y + y) * size + box.x + x;
        u32 under = (layer.background ? layer.background : frame)[place] | 0xff000000u;
        if (box.factor == 1) {
            Sample sample = resolved(keys[pixel], x, y, setup);
            keys[pixel] = EMPTY;
            if (sample.covered)
                under = shaded_texel(sample.u, sample.v, sample.shade, layer.atlas, layer.atlas_height,
                                     layer.atlas_width, opaque, under);
        } else {
            Sample samples[4];
            for (i32 k = 0; k < 4; ++k) {
                i32 fine_x = 2 * x + (k & 1), fine_y = 2 * y + (k >> 1), fine = fine_y * 2 * box.width + fine_x;
                samples[k] = resolved(keys[fine], fine_x, fine_y, setup);
                keys[fine] = EMPTY;
            }
            under = four_samples(samples, layer.atlas, layer.atlas_height, layer.atlas_width, opaque, under);
        }
        frame[place] = under;
    }
}

// Grid: 2 x 2 blocks in x and y, rows of the batch in z.
KERNEL frame_i420(i32 size, const u32 *frames, unsigned char *out) {
    i32 bx = blockIdx.x * blockDim.x + threadIdx.x, by = blockIdx.y * blockDim.y + threadIdx.y;
    if (bx >= size / 2 || by >= size / 2) return;
    frames += (i64)blockIdx.z * size * size;
    out += (i64)blockIdx.z * (size * size / 2 * 3);
    for (i32 k = 0; k < 4; ++k) luma_pixel(2 * bx + (k & 1), 2 * by + (k >> 1), frames, size, size, out);
    chroma_block(bx, by, frames, size, size, size, out);
}

#else

// One row of samples, as planes: [3, width] and what covers them.
DEVICE void resolve_row(i32 y, i32 width, i64 *RESTRICT keys, const float *RESTRICT setup, float *RESTRICT planes,
                        i32 *RESTRICT covered) {
    keys += (i64)y * width;
    for (i32 x = 0; x < width; ++x) {  // neighbours share triangles: gathers without a branch were slower
        Sample sample = resolved(keys[x], x, y, setup);
        keys[x] = EMPTY;
        planes[x] = sample.u;
        planes[width + x] = sample.v;
        planes[2 * width + x] = sample.shade;
        covered[x] = sample.covered;
    }
}

static void depth_layer(const Layer &layer, const Box &box, const i32 *snapped, i32 vertices, const float *positions,
                        const float *attributes, float *setup, i64 *keys) {
    attributes += (i64)layer.attributes * vertices * CHANNELS;
    for (i32 t = 0; t < layer.count; ++t)
        depth_triangle<CHANNELS>(t, snapped, positions, layer.triangles, attributes, CHANNELS, box.height * box.factor,
                                 box.width * box.factor, setup, keys);
}

static void snap_all(const Box &box, float scale, i32 vertices, const float *RESTRICT positions, i32 *RESTRICT snapped) {
    float x0 = corner(box.x, scale), y0 = corner(box.y, scale), fine = scale * box.factor;
    for (i32 v = 0; v < vertices; ++v) snap_position(positions + 3 * v, x0, y0, fine, snapped + 2 * v);
}

static void paint_layer(const Layer &layer, const Box &box, i32 opacity, const float *setup, i32 size, i64 *keys,
                        float *row_planes, i32 *row_covered, u32 *frame) {
    const i32 width = box.width, fine = width * box.factor;
    const i32 atlas_height = layer.atlas_height, atlas_width = layer.atlas_width;
    const u32 *RESTRICT atlas = layer.atlas;
    const float *planes = row_planes;
    const i32 *covered = row_covered;
    for (i32 y = 0; y < box.height; ++y) {
        i64 place = (i64)(box.y + y) * size + box.x;
        const u32 *below = (layer.background ? layer.background : frame) + place;
        u32 *out = frame + place;
        for (i32 k = 0; k < box.factor; ++k)
            resolve_row(box.factor * y + k, fine, keys, setup, row_planes + 3 * fine * k, row_covered + fine * k);
        if (box.factor == 1) {
            INDEPENDENT
            for (i32 x = 0; x < width; ++x) {
                u32 under = below[x] | 0xff000000u;
                u32 over = shaded_texel(planes[x], planes[width + x], planes[2 * width + x], atlas, atlas_height,
                                        atlas_width, opacity, under);
                out[x] = covered[x] ? over : under;
            }
        } else {
            for (i32 x = 0; x < width; ++x) {
                Sample samples[4];
                for (i32 k = 0; k < 4; ++k) {
                    const float *at = planes + 3 * fine * (k >> 1) + 2 * x + (k & 1);
                    samples[k].u = at[0];
                    samples[k].v = at[fine];
                    samples[k].shade = at[2 * fine];
                    samples[k].covered = covered[fine * (k >> 1) + 2 * x + (k & 1)];
                }
                out[x] = four_samples(samples, atlas, atlas_height, atlas_width, opacity, below[x] | 0xff000000u);
            }
        }
    }
}

// The layers [begin, end) of one face. row_planes [2, 3, 2 * size] and row_covered [2, 2 * size] are scratch. `passes`
// is 1 for depth alone, 2 for paint alone, 3 for both.
KERNEL frame_layers(i32 begin, i32 end, i32 passes, const Layer *layers, const Box *boxes, i32 opacity, float scale,
                    i32 vertices, const float *positions, const float *attributes, i32 *snapped, float *setup, i32 size,
                    i64 *keys, float *row_planes, i32 *row_covered, u32 *frame) {
    i32 snapped_for = -1;  // layers of one box follow each other: their vertices are snapped once
    for (i32 number = begin; number < end; ++number) {
        const Layer &layer = layers[number];
        const Box &box = boxes[layer.box];
        if (!is_drawn(layer, box, opacity)) continue;
        if (passes & 1) {
            if (snapped_for != layer.box) snap_all(box, scale, vertices, positions, snapped);
            snapped_for = layer.box;
            depth_layer(layer, box, snapped, vertices, positions, attributes, setup, keys);
        }
        if (passes & 2)
            paint_layer(layer, box, opacity_of(layer, opacity), setup, size, keys, row_planes, row_covered, frame);
    }
}

#endif
