// Copyright 2026 the mila_ros authors
// SPDX-License-Identifier: Apache-2.0
//
// Inter-frame local attention on the CPU, forward and backward, in one pass over the maps.
//
// A row of queries is done at a time. Scores: queries lie along the lanes of a vector, so q and k
// are first laid out as planes [channel][x] and no lane ever has to be summed. Weighted sums: the
// channels lie along the lanes, as they do in NHWC memory, and a few neighbouring queries share
// every value that is loaded. The backward pass is made of the same two steps: with p the weights
// and g the output's gradient, ds = p (g·v - sum p g·v), dq = sum ds k, and since a source pixel is
// seen by exactly the queries in its own window, dk and dv are weighted sums of q and g whose
// weights are ds and p read with mirrored offsets.
//
// GCC's vector extensions (Clang has them too) give AVX-512, AVX2 and NEON from this one source.
#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <torch/library.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <tuple>
#include <type_traits>
#include <vector>

namespace {

#if defined(__AVX512F__)
constexpr int kVectorBytes = 64, kQueries = 4;  // 16 sums in 32 registers
#elif defined(__AVX2__)
constexpr int kVectorBytes = 32, kQueries = 2;  // 8 in 16
#else
constexpr int kVectorBytes = 16, kQueries = 4;  // NEON: 16 in 32
#endif
constexpr int64_t kPad = 16;          // columns left and right of every plane, at least the radius
constexpr int64_t kBlock = 64;        // channels that are packed together
constexpr int64_t kWeightBytes = 1 << 18;  // of the weights that are kept at a time, by a thread

#define UNROLL _Pragma("GCC unroll 64")

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

template <class A>
inline void store(A* to, Vector<A> x) {
  std::memcpy(to, &x, sizeof x);
}

inline void store(at::BFloat16* to, Vector<float> x) {
  typedef uint16_t Halves __attribute__((vector_size(kVectorBytes / 2)));
  Integers<float> bits;
  std::memcpy(&bits, &x, sizeof x);
  const auto rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;  // to nearest, ties to even
  // Rounding could carry a NaN's payload into its sign.
  const Halves halves = __builtin_convertvector(x == x ? rounded : Integers<float>{} + 0x7fc0,
                                                Halves);
  std::memcpy(to, &halves, sizeof halves);
}

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

// One image. Planes and weights have rows of `pitch` elements, whose column 0 lies at kPad.
struct Shape {
  int64_t height, width, pitch;
  int64_t first(int64_t y, int64_t radius) const { return std::max<int64_t>(0, radius - y); }
  int64_t last(int64_t y, int64_t radius) const {
    return std::min<int64_t>(2 * radius + 1, height - y + radius);
  }
};

Shape shape_of(const at::Tensor& map) {
  const int64_t widest = kVectorBytes / int64_t(sizeof(float));
  const int64_t width = map.size(3);
  return {map.size(2), width, kPad + (width + widest - 1) / widest * widest + kPad};
}

// A row [x][channel] as planes [channel][x], zero outside the row.
template <class A, class T>
void to_planes(const T* row, A* planes, int64_t channels, const Shape& shape) {
  constexpr int64_t block = 16;
  for (int64_t c = 0; c < channels; c++) {
    A* plane = planes + c * shape.pitch;
    std::fill(plane, plane + kPad, A(0));
    std::fill(plane + kPad + shape.width, plane + shape.pitch, A(0));
  }
  for (int64_t c0 = 0; c0 < channels; c0 += block)
    for (int64_t x0 = 0; x0 < shape.width; x0 += block) {
      const int64_t c1 = std::min(c0 + block, channels), x1 = std::min(x0 + block, shape.width);
      for (int64_t c = c0; c < c1; c++)
        for (int64_t x = x0; x < x1; x++)
          planes[c * shape.pitch + kPad + x] = static_cast<A>(row[x * channels + c]);
    }
}

// Inner products of row y's queries with their windows, [L·L][pitch]. Entries whose source row is
// outside the image are left alone; nobody reads them.
template <class A, int L>
void products(const A* query, const A* keys, A* out, int64_t channels, int64_t y,
              const Shape& shape) {
  constexpr int lanes = Simd<A>::lanes;
  constexpr int64_t radius = L / 2;
  constexpr int blocks = L <= 3 ? 4 : L <= 7 ? 2 : 1;  // vectors of queries at once
  const auto some = [&](auto count, int64_t x) {
    constexpr int n = decltype(count)::value;
    for (int64_t d = shape.first(y, radius); d < shape.last(y, radius); d++) {
      const A* k = keys + (y + d - radius) * channels * shape.pitch + kPad + x - radius;
      const A* q = query + kPad + x;
      Vector<A> sum[n][L];
      UNROLL for (int b = 0; b < n; b++) UNROLL for (int l = 0; l < L; l++) sum[b][l] = Vector<A>{};
      for (int64_t c = 0; c < channels; c++, q += shape.pitch, k += shape.pitch) {
        UNROLL for (int b = 0; b < n; b++) {
          const Vector<A> queries = load<A>(q + b * lanes);
          UNROLL for (int l = 0; l < L; l++) sum[b][l] += queries * load<A>(k + b * lanes + l);
        }
      }
      UNROLL for (int b = 0; b < n; b++) UNROLL for (int l = 0; l < L; l++)
        store(out + (d * L + l) * shape.pitch + kPad + x + b * lanes, sum[b][l]);
    }
  };
  int64_t x = 0;
  for (; x + (blocks - 1) * lanes < shape.width; x += blocks * lanes)
    some(std::integral_constant<int, blocks>{}, x);
  for (; x < shape.width; x += lanes) some(std::integral_constant<int, 1>{}, x);
}

// Softmax over each query's neighbours inside the image, in place; all others get 0.
template <class A, int L>
void softmax(A* scores, int64_t y, const Shape& shape) {
  constexpr int lanes = Simd<A>::lanes;
  constexpr int64_t radius = L / 2;
  const int64_t first = shape.first(y, radius) * L, last = shape.last(y, radius) * L;
  const Vector<A> lowest = Vector<A>{} - std::numeric_limits<A>::infinity();
  Integers<A> lane;
  for (int i = 0; i < lanes; i++) lane[i] = i;
  for (int64_t x = 0; x < shape.width; x += lanes) {
    Integers<A> inside[L];
    for (int l = 0; l < L; l++) {
      const Integers<A> column = lane + typename Simd<A>::Integer(x + l - radius);
      inside[l] = (column >= 0) & (column < typename Simd<A>::Integer(shape.width)) &
                  (lane + typename Simd<A>::Integer(x) < typename Simd<A>::Integer(shape.width));
    }
    A* s = scores + kPad + x;
    Vector<A> largest = lowest, sum = Vector<A>{};
    for (int64_t n = first; n < last; n++) {
      const Vector<A> score = load<A>(s + n * shape.pitch);
      largest = inside[n % L] & (score > largest) ? score : largest;
    }
    for (int64_t n = first; n < last; n++) {
      const Vector<A> weight = exponential(load<A>(s + n * shape.pitch) - largest);
      const Vector<A> kept = inside[n % L] ? weight : Vector<A>{};
      store(s + n * shape.pitch, kept);
      sum += kept;
    }
    const Vector<A> scale = sum > 0 ? 1 / sum : Vector<A>{};  // 0: beyond the row's end
    for (int64_t n = first; n < last; n++)
      store(s + n * shape.pitch, load<A>(s + n * shape.pitch) * scale);
  }
}

// Where query x of row y has its weight for neighbour (d, l):
// at[y * by_row + d * by_down + l * by_across + x].
template <class A>
struct Weights {
  const A* at;
  int64_t by_row, by_down, by_across;
};

// One row of a tile: out[x] = sum of weight times source, for N vectors of channels. `rows` are the
// L rows of the window, [columns of tile and halo][kBlock].
template <class A, class T, int L, int N>
void sum_row(const A* const* rows, const A* weight, const Weights<A>& by,
             int64_t first, int64_t last, T* out, int64_t channels, int64_t count, int64_t queries) {
  constexpr int lanes = Simd<A>::lanes, reach = kQueries + L - 1;
  for (int64_t x = 0; x < queries; x += kQueries) {
    Vector<A> sum[kQueries][N];
    UNROLL for (int i = 0; i < kQueries; i++) UNROLL for (int b = 0; b < N; b++)
      sum[i][b] = Vector<A>{};
    for (int64_t d = first; d < last; d++) {
      const A* source = rows[d] + x * kBlock;
      const A* w = weight + d * by.by_down + x;
      UNROLL for (int j = 0; j < reach; j++) {
        Vector<A> value[N];
        UNROLL for (int b = 0; b < N; b++) value[b] = load<A>(source + j * kBlock + b * lanes);
        UNROLL for (int i = 0; i < kQueries; i++) if (j - i >= 0 && j - i < L) {
          const A one = w[(j - i) * by.by_across + i];
          UNROLL for (int b = 0; b < N; b++) sum[i][b] += one * value[b];
        }
      }
    }
    UNROLL for (int i = 0; i < kQueries; i++) if (x + i < queries) {
      T* to = out + (x + i) * channels;
      if (count >= N * lanes) {
        UNROLL for (int b = 0; b < N; b++) store(to + b * lanes, sum[i][b]);
      } else {
        T filled[N * lanes];
        UNROLL for (int b = 0; b < N; b++) store(filled + b * lanes, sum[i][b]);
        std::copy(filled, filled + count, to);
      }
    }
  }
}

// out[y][x] = sum of weight times map over each query's window, rows [begin, end) of one image.
//
// Done in columns of a few queries and one block of channels, from top to bottom: the sources in
// reach are packed into a ring of L short rows that stays in the first cache. In NHWC memory they
// would lie a power of two apart for the usual numbers of channels and fight for a few cache sets.
template <class A, class T, int L>
void weighted_sums(const T* map, const Weights<A>& weights, T* out, int64_t channels, int64_t begin,
                   int64_t end, const Shape& shape) {
  constexpr int64_t lanes = Simd<A>::lanes, radius = L / 2, group = 4 * lanes;
  const int64_t steps = (shape.width + kQueries - 1) / kQueries;
  const int64_t tiles = std::max<int64_t>(1, (steps * kQueries + 8) / 16);
  const int64_t tile = (steps + tiles - 1) / tiles * kQueries;
  const int64_t ring_row = (tile + kQueries + L - 1) * kBlock;
  std::vector<A> ring(L * ring_row);
  for (int64_t c0 = 0; c0 < channels; c0 += kBlock) {
    const int64_t count = std::min(kBlock, channels - c0);
    const int64_t filled = (count + lanes - 1) / lanes * lanes;
    for (int64_t x0 = 0; x0 < shape.width; x0 += tile) {
      const int64_t queries = std::min(tile, shape.width - x0);
      const int64_t left = std::max<int64_t>(0, x0 - radius);
      const int64_t right = std::min(shape.width, x0 + queries + radius);
      std::fill(ring.begin(), ring.end(), A(0));  // columns outside the image, channels to fill up
      int64_t next = std::max<int64_t>(0, begin - radius);
      for (int64_t y = begin; y < end; y++) {
        for (; next < std::min(y + radius + 1, shape.height); next++) {
          const T* from = map + (next * shape.width + left) * channels + c0;
          A* to = ring.data() + next % L * ring_row + (left - x0 + radius) * kBlock;
          for (int64_t x = left; x < right; x++, from += channels, to += kBlock)
            for (int64_t c = 0; c < count; c++) to[c] = static_cast<A>(from[c]);
        }
        const int64_t first = shape.first(y, radius), last = shape.last(y, radius);
        const A* rows[L];
        for (int64_t c = 0; c < filled; c += group) {
          for (int64_t d = first; d < last; d++)
            rows[d] = ring.data() + (y + d - radius) % L * ring_row + c;
          const A* weight = weights.at + y * weights.by_row + x0;
          T* to = out + (y * shape.width + x0) * channels + c0 + c;
          const auto run = [&](auto n) {
            sum_row<A, T, L, decltype(n)::value>(rows, weight, weights, first, last, to,
                                                 channels, count - c, queries);
          };
          switch (std::min(group, filled - c) / lanes) {
            case 1: run(std::integral_constant<int, 1>{}); break;
            case 2: run(std::integral_constant<int, 2>{}); break;
            case 3: run(std::integral_constant<int, 3>{}); break;
            default: run(std::integral_constant<int, 4>{});
          }
        }
      }
    }
  }
}

template <class A, class T, int L>
void forward(const T* query, const T* key, const T* value, T* out, int64_t batch,
             int64_t query_channels, int64_t channels, const Shape& shape, A* key_planes) {
  const int64_t height = shape.height, entries = L * L * shape.pitch;
  const int64_t planes = query_channels * shape.pitch;
  const int64_t q_row = shape.width * query_channels, v_row = shape.width * channels;
  at::parallel_for(0, batch * height, 1, [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; n++)
      to_planes(key + n * q_row, key_planes + n * planes, query_channels, shape);
  });
  at::parallel_for(0, batch * height, 1, [&](int64_t begin, int64_t end) {
    const int64_t most = std::max<int64_t>(L, kWeightBytes / int64_t(sizeof(A)) / entries);
    std::vector<A> queries(planes), weights(std::min(most, end - begin) * entries);
    for (int64_t n = begin; n < end;) {
      const int64_t image = n / height, top = n % height;
      const int64_t bottom = std::min({top + most, height, top + end - n});
      for (int64_t y = top; y < bottom; y++) {
        A* row = weights.data() + (y - top) * entries;
        to_planes(query + (image * height + y) * q_row, queries.data(), query_channels, shape);
        products<A, L>(queries.data(), key_planes + image * height * planes, row, query_channels, y,
                       shape);
        softmax<A, L>(row, y, shape);
      }
      weighted_sums<A, T, L>(
          value + image * height * v_row,
          {weights.data() + kPad - top * entries, entries, L * shape.pitch, shape.pitch},
          out + image * height * v_row, channels, top, bottom, shape);
      n += bottom - top;
    }
  });
}

template <class A, int L>
void backward(const A* gradient, const A* query, const A* key, const A* value, A* to_query,
              A* to_key, A* to_value, int64_t query_channels, int64_t channels,
              const Shape& shape) {
  constexpr int64_t radius = L / 2;
  const int64_t entries = L * L * shape.pitch;
  const int64_t q_row = shape.width * query_channels, v_row = shape.width * channels;
  std::vector<A> key_planes(shape.height * query_channels * shape.pitch);
  std::vector<A> value_planes(shape.height * channels * shape.pitch);
  // The padding is read by mirrored offsets and stays 0.
  std::vector<A> weights(shape.height * entries), slopes(shape.height * entries);
  at::parallel_for(0, shape.height, 1, [&](int64_t begin, int64_t end) {
    for (int64_t y = begin; y < end; y++) {
      to_planes(key + y * q_row, key_planes.data() + y * query_channels * shape.pitch,
                query_channels, shape);
      to_planes(value + y * v_row, value_planes.data() + y * channels * shape.pitch, channels,
                shape);
    }
  });
  at::parallel_for(0, shape.height, 1, [&](int64_t begin, int64_t end) {
    std::vector<A> planes(std::max(query_channels, channels) * shape.pitch);
    for (int64_t y = begin; y < end; y++) {
      A *p = weights.data() + y * entries, *ds = slopes.data() + y * entries;
      to_planes(query + y * q_row, planes.data(), query_channels, shape);
      products<A, L>(planes.data(), key_planes.data(), p, query_channels, y, shape);
      softmax<A, L>(p, y, shape);
      to_planes(gradient + y * v_row, planes.data(), channels, shape);
      products<A, L>(planes.data(), value_planes.data(), ds, channels, y, shape);
      const int64_t first = shape.first(y, radius) * L, last = shape.last(y, radius) * L;
      for (int64_t x = kPad; x < kPad + shape.width; x += Simd<A>::lanes) {
        Vector<A> mean = Vector<A>{};
        for (int64_t n = first; n < last; n++)
          mean += load<A>(p + n * shape.pitch + x) * load<A>(ds + n * shape.pitch + x);
        for (int64_t n = first; n < last; n++) {
          const int64_t at = n * shape.pitch + x;
          store(ds + at, load<A>(p + at) * (load<A>(ds + at) - mean));
        }
      }
    }
    weighted_sums<A, A, L>(key, {slopes.data() + kPad, entries, L * shape.pitch, shape.pitch},
                           to_query, query_channels, begin, end, shape);
  });
  // Neighbour (d, l) of a source pixel sees it as its own neighbour (L-1-d, L-1-l).
  const int64_t start = (L * L - 1) * shape.pitch - radius * entries + kPad - radius;
  const int64_t by_down = entries - L * shape.pitch, by_across = 1 - shape.pitch;
  at::parallel_for(0, shape.height, 1, [&](int64_t begin, int64_t end) {
    weighted_sums<A, A, L>(query, {slopes.data() + start, entries, by_down, by_across}, to_key,
                           query_channels, begin, end, shape);
    weighted_sums<A, A, L>(gradient, {weights.data() + start, entries, by_down, by_across},
                           to_value, channels, begin, end, shape);
  });
}

template <class F>
void with_window(int64_t window, F&& run) {
  switch (window) {
    case 1: return run(std::integral_constant<int, 1>{});
    case 3: return run(std::integral_constant<int, 3>{});
    case 5: return run(std::integral_constant<int, 5>{});
    case 7: return run(std::integral_constant<int, 7>{});
    case 9: return run(std::integral_constant<int, 9>{});
    case 11: return run(std::integral_constant<int, 11>{});
    case 13: return run(std::integral_constant<int, 13>{});
    case 15: return run(std::integral_constant<int, 15>{});
  }
  TORCH_CHECK(false, "local attention: no window of ", window);
}

at::Tensor nhwc(const at::Tensor& map) { return map.contiguous(at::MemoryFormat::ChannelsLast); }

at::Tensor local_attention(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                           int64_t window) {
  const at::Tensor q = nhwc(query), k = nhwc(key), v = nhwc(value);
  const Shape shape = shape_of(v);
  const int64_t batch = v.size(0), query_channels = q.size(1), channels = v.size(1);
  const auto kind = v.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  at::Tensor out = at::empty_like(v, v.options(), at::MemoryFormat::ChannelsLast);
  const at::Tensor planes =
      at::empty({batch, shape.height, query_channels, shape.pitch}, v.options().dtype(kind));
  const auto run = [&](auto a, auto t) {
    using A = decltype(a);
    using T = decltype(t);
    with_window(window, [&](auto l) {
      forward<A, T, decltype(l)::value>(q.const_data_ptr<T>(), k.const_data_ptr<T>(),
                                        v.const_data_ptr<T>(), out.mutable_data_ptr<T>(), batch,
                                        query_channels, channels, shape,
                                        planes.mutable_data_ptr<A>());
    });
  };
  if (v.scalar_type() == at::kFloat) run(float{}, float{});
  else if (v.scalar_type() == at::kBFloat16) run(float{}, at::BFloat16{});
  else run(double{}, double{});
  return out;
}

std::tuple<at::Tensor, at::Tensor, at::Tensor> local_attention_backward(
    const at::Tensor& gradient, const at::Tensor& query, const at::Tensor& key,
    const at::Tensor& value, int64_t window) {
  // Nobody trains in bfloat16 on a CPU often enough for an instance of its own.
  const auto kind = value.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  const at::Tensor g = nhwc(gradient.to(kind)), q = nhwc(query.to(kind)), k = nhwc(key.to(kind)),
                   v = nhwc(value.to(kind));
  const auto channels_last = at::MemoryFormat::ChannelsLast;
  at::Tensor to_query = at::empty_like(q, q.options(), channels_last);
  at::Tensor to_key = at::empty_like(k, k.options(), channels_last);
  at::Tensor to_value = at::empty_like(v, v.options(), channels_last);
  const auto run = [&](auto a) {
    using A = decltype(a);
    with_window(window, [&](auto l) {
      for (int64_t b = 0; b < v.size(0); b++) {
        const int64_t at_q = b * q.size(1) * q.size(2) * q.size(3);
        const int64_t at_v = b * v.size(1) * v.size(2) * v.size(3);
        backward<A, decltype(l)::value>(
            g.const_data_ptr<A>() + at_v, q.const_data_ptr<A>() + at_q,
            k.const_data_ptr<A>() + at_q, v.const_data_ptr<A>() + at_v,
            to_query.mutable_data_ptr<A>() + at_q, to_key.mutable_data_ptr<A>() + at_q,
            to_value.mutable_data_ptr<A>() + at_v, q.size(1), v.size(1), shape_of(v));
      }
    });
  };
  if (kind == at::kDouble) run(double{});
  else run(float{});
  return {to_query.to(query.scalar_type()), to_key.to(key.scalar_type()),
          to_value.to(value.scalar_type())};
}

}  // namespace

TORCH_LIBRARY_IMPL(mila_ros, CPU, module) {
  module.impl("local_attention_cpp", local_attention);
  module.impl("local_attention_cpp_backward", local_attention_backward);
}
