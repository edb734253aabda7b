// What every kernel source needs, so that one .cu file serves a GPU and a CPU.
//
// A kernel is written once as a DEVICE function of its element index. On a GPU (nvcc or NVRTC) it is launched with
// one thread per element; on a CPU the same function runs in a loop over a range [begin, end) of elements.
// Rules that keep both bit-equal: only + - * / on floats, no fused multiply-add (--fmad=false,
// -ffp-contract=off), no fast-math, no shared memory, no synchronisation.
#pragma once

typedef int i32;
typedef unsigned int u32;
typedef long long i64;
typedef unsigned long long u64;

#ifdef __CUDACC__
#define DEVICE static __device__ __forceinline__
#define KERNEL extern "C" __global__ void
#define RESTRICT __restrict__
#define INDEPENDENT
#ifdef __CUDA_ARCH__
#define READ(array, at) __ldg((array) + (at))  // what no thread of the launch writes
#else
#define READ(array, at) (array)[at]
#endif
#else
#include <string.h>
#define DEVICE static inline __attribute__((always_inline))
#define KERNEL extern "C" void
#define RESTRICT __restrict__
#define READ(array, at) (array)[at]
// Before a loop whose passes touch different elements, though pointers may be equal (out over background).
#ifdef __clang__
#define INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#else
#define INDEPENDENT _Pragma("GCC ivdep")
#endif
#endif

DEVICE i32 min_i(i32 a, i32 b) { return a < b ? a : b; }
DEVICE i32 max_i(i32 a, i32 b) { return a > b ? a : b; }
DEVICE i32 clamp_i(i32 x, i32 low, i32 high) { return min_i(max_i(x, low), high); }

#ifdef __CUDACC__
// What a GPU does in one instruction each, and the same for tests that run this source on a CPU.

#define FLOOR_BITS_0 0x4b000000  // floor_bits(0): 2^23, from which on floats are whole numbers

#ifdef __CUDA_ARCH__
// FLOOR_BITS_0 and the whole part of x, 0 <= x < 2^23, or at least 2^23 if x is larger; far faster than a conversion.
DEVICE u32 floor_bits(float x) { return __float_as_uint(__fadd_rd(x, 8388608.0f)); }
DEVICE float floor_of(u32 bits) { return __uint_as_float(bits) - 8388608.0f; }
// Towards 0; what is too large as the largest or smallest there is, 0 if x is not a number.
DEVICE i32 whole(float x) { return __float2int_rz(x); }
// Four of the bytes of b, a, numbered from a's lowest; a hexadecimal digit for each, the lowest last.
DEVICE u32 chosen_bytes(u32 a, u32 b, u32 which) { return __byte_perm(a, b, which); }
// The sum of the halves of a, times the two lower or higher bytes of b.
DEVICE u32 dot_low(u32 a, u32 b) { return __dp2a_lo(a, b, 0u); }
DEVICE u32 dot_high(u32 a, u32 b) { return __dp2a_hi(a, b, 0u); }
// a + b, at least 0 and at most `most`.
DEVICE i32 add_clamped(i32 a, i32 b, i32 most) { return __viaddmin_s32_relu(a, b, most); }
// Brings what lies there nearer, into the cache that all share; nothing waits for it, and results are the same without.
DEVICE void fetch(const void *address) { asm volatile("prefetch.global.L2 [%0];" : : "l"(address)); }
#else
DEVICE u32 floor_bits(float x) { return FLOOR_BITS_0 + (x < 8388608.0f ? (u32)x : 0x800000u); }
DEVICE float floor_of(u32 bits) { return (float)(bits - FLOOR_BITS_0); }
DEVICE i32 whole(float x) {
    return x >= 2147483648.0f ? 0x7fffffff : x < -2147483648.0f ? -0x7fffffff - 1 : x == x ? (i32)x : 0;
}
DEVICE u32 chosen_bytes(u32 a, u32 b, u32 which) {
    u32 out = 0;
    for (i32 k = 0; k < 4; ++k) out |= (u32)((((u64)b << 32 | a) >> (8 * (which >> (4 * k) & 7))) & 255) << (8 * k);
    return out;
}
DEVICE u32 dot_low(u32 a, u32 b) { return (a & 0xffff) * (b & 255) + (a >> 16) * (b >> 8 & 255); }
DEVICE u32 dot_high(u32 a, u32 b) { return dot_low(a, b >> 16); }
DEVICE i32 add_clamped(i32 a, i32 b, i32 most) { return clamp_i(a + b, 0, most); }
DEVICE void fetch(const void *) {}
#endif
#endif
