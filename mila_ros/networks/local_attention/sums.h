// Copyright 2026 the mila_ros authors
// SPDX-License-Identifier: Apache-2.0
//
// Local attention's weighted sums. Channels lie along the lanes, as they do in NHWC memory.
//
// There are L·L multiplications for every value that is read and written once. So a value that is
// loaded serves all queries of a block that see it, whose sums are kept in registers; values are
// read where they lie, and each comes from memory once, into the second cache.
#pragma once

#include <optional>

#include "weights.h"

namespace local_attention {

constexpr int kGroup = 2;  // vectors of channels that are summed together
constexpr int64_t kTileBytes = 1 << 20;

// Queries of a block. Wide windows share values enough with fewer, and compile in half the time.
template <class A, int L>
constexpr int kBlock = sizeof(A) == 4 && L <= 7 ? kQueries : kQueries / 3;

// Where query x of row y has its weight for neighbour (d, l):
// at[y * by_row + d * by_down + l * by_across + x].
template <class A>
struct Weights {
  const A* at;
  int64_t by_row, by_down, by_across;
};

// The L source rows of a row of queries, and the row that comes in reach next, or null. Of the
// rows, [first, last) are inside the image.
template <class A, int L>
struct Window {
  const A* rows[L];
  const A* next;
  int64_t first, last;
  int64_t stride;  // from one column of a row to the next
  int64_t channels, width;
};

// out[x] = sum of weight times source: a block of queries from x on, of which there are `queries`,
// and a group of channels from c on. The weights are [L·L][kBlock].
template <class A, class T, int L, bool Edge>
inline void sum_block(const Window<A, L>& window, const A* weights, T* out, int64_t x, int64_t c,
                      int64_t queries) {
  constexpr int lanes = Simd<A>::lanes, group = kGroup * lanes, reach = kBlock<A, L> + L - 1;
  static const A zeros[group] = {};
  Vector<A> sum[kBlock<A, L>][kGroup] = {};
  const int64_t left = x - L / 2;
  if (window.next != nullptr)
    unrolled<kBlock<A, L>>([&](auto i) INLINE {
      unrolled<kGroup>([&](auto b) INLINE {
        __builtin_prefetch(window.next + (x + i) * window.stride + c + b * lanes, 0, 2);
      });
    });
  for (int64_t d = window.first; d < window.last; d++) {
    const A* source = window.rows[d] + left * window.stride + c;
    const A* w = weights + d * L * kBlock<A, L>;
    unrolled<reach>([&](auto j) INLINE {
      const A* from = source;
      source += window.stride;
      if (Edge && (left + j < 0 || left + j >= window.width)) from = zeros;
      Vector<A> value[kGroup];
      unrolled<kGroup>([&](auto b) INLINE { value[b] = load(from + b * lanes); });
      unrolled<kBlock<A, L>>([&](auto i) INLINE {
        if constexpr (j - i >= 0 && j - i < L) {
          const A one = w[(j - i) * kBlock<A, L> + i];
          unrolled<kGroup>([&](auto b) INLINE { sum[i][b] += one * value[b]; });
        }
      });
    });
  }
  unrolled<kBlock<A, L>>([&](auto i) INLINE {
    if (i >= queries) return;
    T* to = out + (x + i) * window.channels + c;
    if (window.channels >= group) {
      unrolled<kGroup>([&](auto b) INLINE { store(to + b * lanes, sum[i][b]); });
    } else {
      T filled[group];
      unrolled<kGroup>([&](auto b) INLINE { store(filled + b * lanes, sum[i][b]); });
      std::copy(filled, filled + window.channels, to);
    }
  });
}

// Columns of a map in reach of queries [begin, end), row after row from top to bottom. What is not
// yet in the type of the sums, or has less than a group of channels, is copied into a ring of rows.
template <class A, class T, int L>
class Sources {
 public:
  Sources(const T* map, int64_t channels, int64_t begin, int64_t end, const Shape& shape)
      : map_(map), shape_(shape), left_(std::max<int64_t>(0, begin - L / 2)),
        right_(std::min(shape.width, end + L / 2)) {
    constexpr int64_t group = kGroup * Simd<A>::lanes;
    direct_ = std::is_same_v<A, T> && channels >= group;
    window_.channels = channels;
    window_.stride = std::max(group, channels);
    window_.width = shape.width;
    if (!direct_) ring_.emplace(L * (right_ - left_) * window_.stride);
  }

  // What the queries of row y reach; y grows from call to call.
  const Window<A, L>& at(int64_t y) {
    constexpr int64_t radius = L / 2;
    window_.first = shape_.first(y, radius);
    window_.last = shape_.last(y, radius);
    for (int64_t d = window_.first; d < window_.last; d++) window_.rows[d] = row(y + d - radius);
    const int64_t next = y + radius + 1;
    window_.next = direct_ && next < shape_.height ? row(next) : nullptr;
    return window_;
  }

 private:
  const A* row(int64_t y) {
    const T* from = map_ + y * shape_.width * window_.channels;
    if constexpr (std::is_same_v<A, T>)
      if (direct_) return from;
    A* place = ring_->data() + y % L * (right_ - left_) * window_.stride;
    if (y >= filled_) {
      filled_ = y + 1;
      for (int64_t x = left_; x < right_; x++)
        widen(from + x * window_.channels, place + (x - left_) * window_.stride);
    }
    return place - left_ * window_.stride;
  }

  void widen(const T* from, A* to) const {
    constexpr int64_t lanes = Simd<A>::lanes;
    int64_t c = 0;
    for (; c + lanes <= window_.channels; c += lanes) store(to + c, Vector<A>(load(from + c)));
    for (; c < window_.channels; c++) to[c] = static_cast<A>(from[c]);
  }

  const T* map_;
  const Shape shape_;
  const int64_t left_, right_;
  int64_t filled_ = 0;  // rows above this one are in the ring, or were
  bool direct_;
  std::optional<Buffer<A>> ring_;
  Window<A, L> window_;
};

// Queries [begin, end) of a row, whose weights begin at `from`.
template <class A, class T, int L>
void sum_row(const Window<A, L>& window, const A* from, const Weights<A>& by, T* out,
             int64_t begin, int64_t end) {
  constexpr int64_t radius = L / 2, group = kGroup * Simd<A>::lanes;
  alignas(kVectorBytes) A weights[L * L * kBlock<A, L>];
  for (int64_t x = begin; x < end; x += kBlock<A, L>) {
    const int64_t queries = std::min<int64_t>(kBlock<A, L>, end - x);
    for (int64_t d = window.first; d < window.last; d++)
      for (int64_t l = 0; l < L; l++) {
        const A* w = from + d * by.by_down + l * by.by_across + x;
        std::copy(w, w + kBlock<A, L>, weights + (d * L + l) * kBlock<A, L>);
      }
    const bool inside = x >= radius && x + kBlock<A, L> + radius <= window.width;
    for (int64_t n = 0; n < window.channels; n += group) {
      // The last group may overlap the one before it: what is computed twice is the same.
      const int64_t c = std::max<int64_t>(0, std::min(n, window.channels - group));
      if (inside) sum_block<A, T, L, false>(window, weights, out, x, c, queries);
      else sum_block<A, T, L, true>(window, weights, out, x, c, queries);
    }
  }
}

// out[y][x] = sum of weight times map over each query's window, rows [begin, end) of one image.
//
// Done in tiles of columns, from top to bottom, so narrow that the rows in reach of a row of
// queries, and the next one, stay in the second cache.
template <class A, class T, int L>
void weighted_sums(const T* map, const Weights<A>& weights, T* out, int64_t channels, int64_t begin,
                   int64_t end, const Shape& shape) {
  const int64_t column = (L + 1) * channels * int64_t(sizeof(A));
  const int64_t fitting = std::max<int64_t>(1, (kTileBytes / column - (L - 1)) / kBlock<A, L>);
  const int64_t blocks = (shape.width - 1) / kBlock<A, L> + 1, tiles = (blocks - 1) / fitting + 1;
  const int64_t tile = ((blocks - 1) / tiles + 1) * kBlock<A, L>;
  for (int64_t left = 0; left < shape.width; left += tile) {
    const int64_t right = std::min(left + tile, shape.width);
    Sources<A, T, L> sources(map, channels, left, right, shape);
    for (int64_t y = begin; y < end; y++)
      sum_row<A, T, L>(sources.at(y), weights.at + y * weights.by_row, weights,
                       out + y * shape.width * channels, left, right);
  }
}

}  // namespace local_attention
