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
