// Copyright 2026 the mila_ros authors
// SPDX-License-Identifier: Apache-2.0
//
// Local attention's weights, a row of queries at a time: inner products and their softmax.
//
// Queries lie along the lanes of a vector, so queries and keys are first laid out as planes
// [channel][x], and no lane ever has to be summed.
#pragma once

#include <algorithm>
#include <limits>

#include "simd.h"

namespace local_attention {

constexpr int64_t kPad = 16;  // columns left and right of every plane, at least the radius

// One image. Planes and weights have rows of `pitch` elements, whose column 0 lies at kPad.
struct Shape {
  int64_t height, width, pitch;

  Shape(int64_t height, int64_t width) : height(height), width(width) {
    const int64_t widest = kVectorBytes / int64_t(sizeof(float));
    pitch = kPad + (width + widest - 1) / widest * widest + kPad;
  }

  // Rows of row y's window that are inside the image.
  int64_t first(int64_t y, int64_t radius) const { return std::max<int64_t>(0, radius - y); }
  int64_t last(int64_t y, int64_t radius) const {
    return std::min<int64_t>(2 * radius + 1, height - y + radius);
  }
};

// A row [x][channel] as planes [channel][x], zero outside the row.
template <class A, class T>
void to_planes(const T* row, A* planes, int64_t channels, const Shape& shape) {
  constexpr int64_t lanes = Simd<A>::lanes;
  for (int64_t c = 0; c < channels; c++) {
    A* plane = planes + c * shape.pitch;
    std::fill(plane, plane + kPad, A(0));
    std::fill(plane + kPad + shape.width, plane + shape.pitch, A(0));
  }
  for (int64_t x0 = 0; x0 < shape.width; x0 += lanes)
    for (int64_t c0 = 0; c0 < channels; c0 += lanes) {
      const T* from = row + x0 * channels + c0;
      A* to = planes + c0 * shape.pitch + kPad + x0;
      const int64_t columns = std::min(lanes, shape.width - x0);
      const int64_t count = std::min(lanes, channels - c0);
      if (columns == lanes && count == lanes) {
        Vector<A> square[lanes];
        UNROLL for (int64_t x = 0; x < lanes; x++) square[x] = load(from + x * channels);
        transpose<A>(square);
        UNROLL for (int64_t c = 0; c < lanes; c++) store(to + c * shape.pitch, square[c]);
      } else {
        for (int64_t x = 0; x < columns; x++)
          for (int64_t c = 0; c < count; c++)
            to[c * shape.pitch + x] = static_cast<A>(from[x * channels + c]);
      }
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
  using Integer = typename Simd<A>::Integer;
  const int64_t first = shape.first(y, radius), last = shape.last(y, radius);
  const Vector<A> lowest = Vector<A>{} - std::numeric_limits<A>::infinity();
  Integers<A> lane;
  for (int i = 0; i < lanes; i++) lane[i] = i;
  const auto columns = [&](int64_t x, auto edge) {
    constexpr bool masked = decltype(edge)::value;
    const auto each = [&](auto&& run) {
      for (int64_t d = first; d < last; d++)
        UNROLL for (int l = 0; l < L; l++) {
          const Integers<A> column = lane + Integer(x + l - radius);
          run(scores + (d * L + l) * shape.pitch + kPad + x,
              (column >= 0) & (column < Integer(shape.width)));
        }
    };
    Vector<A> largest = lowest, sum = Vector<A>{};
    each([&](const A* at, Integers<A> inside) {
      const Vector<A> score = load(at);
      const Integers<A> larger = score > largest;
      largest = (masked ? inside & larger : larger) ? score : largest;
    });
    each([&](A* at, Integers<A> inside) {
      const Vector<A> weight = exponential(load<A>(at) - largest);
      const Vector<A> kept = masked ? (inside ? weight : Vector<A>{}) : weight;
      store(at, kept);
      sum += kept;
    });
    const Integers<A> there = (lane + Integer(x) < Integer(shape.width)) & (sum > 0);
    const Vector<A> scale = there ? 1 / sum : Vector<A>{};  // 0: beyond the row's end
    each([&](A* at, Integers<A>) { store(at, load<A>(at) * scale); });
  };
  for (int64_t x = 0; x < shape.width; x += lanes)
    if (x >= radius && x + lanes + radius <= shape.width) columns(x, std::false_type{});
    else columns(x, std::true_type{});
}

}  // namespace local_attention
