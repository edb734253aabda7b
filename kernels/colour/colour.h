// What RGBX to I420 does per pixel and block; see colour.cu and frame/frame.cu.
#pragma once
#include "kernel.h"

DEVICE void luma_pixel(i32 x, i32 y, const u32 *RESTRICT image, i32 pitch, i32 width, unsigned char *RESTRICT out) {
    u32 pixel = image[(i64)y * pitch + x];
    i32 r = pixel & 255, g = (pixel >> 8) & 255, b = (pixel >> 16) & 255;
    out[(i64)y * width + x] = (unsigned char)((16829 * r + 33039 * g + 6416 * b + (16 << 16) + 32768) >> 16);
}

DEVICE void chroma_block(i32 bx, i32 by, const u32 *RESTRICT image, i32 pitch, i32 height, i32 width,
                         unsigned char *RESTRICT out) {
    const u32 *upper = image + (i64)(2 * by) * pitch, *lower = upper + pitch;
    u32 p00 = upper[2 * bx], p01 = upper[2 * bx + 1], p10 = lower[2 * bx], p11 = lower[2 * bx + 1];
    // Two channels of four pixels add up within one word: 4 * 255 needs 10 of 16 bits.
    u32 even = (p00 & 0xff00ffu) + (p01 & 0xff00ffu) + (p10 & 0xff00ffu) + (p11 & 0xff00ffu);
    u32 odd = ((p00 >> 8) & 255u) + ((p01 >> 8) & 255u) + ((p10 >> 8) & 255u) + ((p11 >> 8) & 255u);
    i32 r = (i32)(even & 0xffffu), g = (i32)odd, b = (i32)(even >> 16);
    i64 plane = (i64)height * width, place = plane + (i64)by * (width / 2) + bx;
    out[place] = (unsigned char)((-9714 * r - 19070 * g + 28784 * b + (128 << 18) + (1 << 17)) >> 18);
    out[place + plane / 4] = (unsigned char)((28784 * r - 24103 * g - 4681 * b + (128 << 18) + (1 << 17)) >> 18);
}
