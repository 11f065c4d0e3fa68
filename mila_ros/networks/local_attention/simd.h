// Copyright 2026 the mila_ros authors
// SPDX-License-Identifier: Apache-2.0
//
// Vectors of the widest kind that the compiler is told to use. GCC's vector extensions (Clang has
// them too) give AVX-512, AVX2 and NEON from one source.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <new>
#include <type_traits>
#include <utility>

namespace local_attention {

// How many queries' sums are kept in registers, two vectors of channels each.
#if defined(__AVX512F__)
constexpr int kVectorBytes = 64, kQueries = 12;  // 24 sums in 32 registers
#elif defined(__AVX2__)
constexpr int kVectorBytes = 32, kQueries = 6;  // 12 in 16
#else
constexpr int kVectorBytes = 16, kQueries = 12;  // NEON: 24 in 32
#endif

#define UNROLL _Pragma("GCC unroll 64")
#define INLINE __attribute__((always_inline))

// run(0), run(1), ... run(N - 1), with constants.
template <int N, class F>
INLINE inline void unrolled(F&& run) {
  [&]<int... I>(std::integer_sequence<int, I...>) INLINE {
    (run(std::integral_constant<int, I>{}), ...);
  }(std::make_integer_sequence<int, N>{});
}

// The upper half of a float.
struct BFloat16 {
  uint16_t bits;
  explicit operator float() const {
    const uint32_t wide = uint32_t(bits) << 16;
    float x;
    std::memcpy(&x, &wide, sizeof x);
    return x;
  }
};

template <class A>
struct Simd {
  static constexpr int lanes = kVectorBytes / int(sizeof(A));
  using Integer = std::conditional_t<sizeof(A) == 4, int32_t, int64_t>;
  typedef A Vector __attribute__((vector_size(kVectorBytes)));
  typedef Integer Integers __attribute__((vector_size(kVectorBytes)));
};
template <class A>
using Vector = typename Simd<A>::Vector;
template <class A>
using Integers = typename Simd<A>::Integers;

template <class A>
inline Vector<A> load(const A* from) {
  Vector<A> x;
  std::memcpy(&x, from, sizeof x);
  return x;
}

inline Vector<float> load(const BFloat16* from) {
  typedef uint16_t Halves __attribute__((vector_size(kVectorBytes / 2)));
  Halves halves;
  std::memcpy(&halves, from, sizeof halves);
  const Integers<float> bits = __builtin_convertvector(halves, Integers<float>) << 16;
  Vector<float> x;
  std::memcpy(&x, &bits, sizeof x);
  return x;
}

template <class A>
inline void store(A* to, Vector<A> x) {
  std::memcpy(to, &x, sizeof x);
}

inline void store(BFloat16* to, Vector<float> x) {
  typedef uint16_t Halves __attribute__((vector_size(kVectorBytes / 2)));
  Integers<float> bits;
  std::memcpy(&bits, &x, sizeof x);
  const auto rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;  // to nearest, ties to even
  // Rounding could carry a NaN's payload into its sign.
  const Halves halves = __builtin_convertvector(x == x ? rounded : Integers<float>{} + 0x7fc0,
                                                Halves);
  std::memcpy(to, &halves, sizeof halves);
}

// A square of as many rows as a vector has lanes, turned in place: blocks of half the side change
// places, then blocks of a quarter in each of them, and so on.
template <class A, int Side = Simd<A>::lanes / 2>
inline void transpose(Vector<A>* rows) {
  constexpr int lanes = Simd<A>::lanes;
  Integers<A> upper, lower;
  UNROLL for (int i = 0; i < lanes; i++) {
    upper[i] = i & Side ? lanes + i - Side : i;
    lower[i] = i & Side ? lanes + i : i + Side;
  }
  UNROLL for (int i = 0; i < lanes; i++) if (!(i & Side)) {
    const Vector<A> a = rows[i], b = rows[i + Side];
    rows[i] = __builtin_shuffle(a, b, upper);
    rows[i + Side] = __builtin_shuffle(a, b, lower);
  }
  if constexpr (Side > 1) transpose<A, Side / 2>(rows);
}

// Zeros to begin with, aligned as vectors are: one that lies across two lines of the cache is read
// twice.
template <class A>
class Buffer {
 public:
  explicit Buffer(int64_t size)
      : data_(static_cast<A*>(::operator new(size * sizeof(A), std::align_val_t(kVectorBytes)))) {
    std::fill_n(data_, size, A(0));
  }
  Buffer(const Buffer&) = delete;
  ~Buffer() { ::operator delete(data_, std::align_val_t(kVectorBytes)); }
  A* data() { return data_; }

 private:
  A* data_;
};

// e^x for x <= 0 to about one unit in the last place (Cephes' expf); what underflows is 0.
inline Vector<float> exponential(Vector<float> x) {
  const auto underflow = x < -87.f;
  x = underflow ? Vector<float>{} - 87.f : x;
  const auto whole = __builtin_convertvector(x * 1.44269504f - 0.5f, Integers<float>);
  const auto n = __builtin_convertvector(whole, Vector<float>);
  const Vector<float> r = x - n * 0.693359375f + n * 2.12194440e-4f;
  Vector<float> p = Vector<float>{} + 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.f;
  const Integers<float> exponent = (whole + 127) << 23;
  Vector<float> scale;
  std::memcpy(&scale, &exponent, sizeof scale);
  return underflow ? Vector<float>{} : p * scale;
}

inline Vector<double> exponential(Vector<double> x) {
  for (int i = 0; i < Simd<double>::lanes; i++) x[i] = std::exp(x[i]);
  return x;
}

}  // namespace local_attention
