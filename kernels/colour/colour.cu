// Packed RGBX to planar I420 (BT.601, limited range), all integer: luma per pixel, chroma per 2 x 2 block.
#include "colour/colour.h"

#ifdef __CUDACC__

// Grid: 2 x 2 blocks in x and y.
KERNEL rgbx_to_i420(const u32 *image, i32 pitch, i32 height, i32 width, unsigned char *out) {
    i32 bx = blockIdx.x * blockDim.x + threadIdx.x, by = blockIdx.y * blockDim.y + threadIdx.y;
    if (bx >= width / 2 || by >= height / 2) return;
    luma_pixel(2 * bx, 2 * by, image, pitch, width, out);
    luma_pixel(2 * bx + 1, 2 * by, image, pitch, width, out);
    luma_pixel(2 * bx, 2 * by + 1, image, pitch, width, out);
    luma_pixel(2 * bx + 1, 2 * by + 1, image, pitch, width, out);
    chroma_block(bx, by, image, pitch, height, width, out);
}

#else

KERNEL rgbx_to_i420(i32 begin, i32 end, const u32 *image, i32 pitch, i32 height, i32 width, unsigned char *out) {
    for (i32 by = begin; by < end; ++by) {
        for (i32 y = 2 * by; y < 2 * by + 2; ++y) {
            INDEPENDENT
            for (i32 x = 0; x < width; ++x) luma_pixel(x, y, image, pitch, width, out);
        }
        INDEPENDENT
        for (i32 bx = 0; bx < width / 2; ++bx) chroma_block(bx, by, image, pitch, height, width, out);
    }
}

#endif
