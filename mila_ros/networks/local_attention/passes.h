// Copyright 2026 the mila_ros authors
// SPDX-License-Identifier: Apache-2.0
//
// Local attention, forward and backward, in one pass over the maps. Nothing here knows of PyTorch.
//
// The backward pass is made of the forward pass's two steps: with p the weights and g the output's
// gradient, ds = p (g·v - sum p g·v), dq = sum ds k, and since a source pixel is seen by exactly
// the queries in its own window, dk and dv are weighted sums of q and g whose weights are ds and p
// read with mirrored offsets.
//
// `parallel(begin, end, run)` calls run(from, to) for parts of [begin, end), maybe in several
// threads. All maps are NHWC.
#pragma once

#include "sums.h"

namespace local_attention {

constexpr int64_t kWeightBytes = 1 << 18;  // of the weights that are kept at a time, by a thread

// Maps [batch, height, width, channels]; the planes [batch, height, query_channels, pitch] need
// not be filled.
template <class A, class T, int L, class Parallel>
void forward(const T* query, const T* key, const T* value, T* out, int64_t batch,
             int64_t query_channels, int64_t channels, const Shape& shape, A* key_planes,
             Parallel&& parallel) {
  const int64_t height = shape.height, plane = query_channels * shape.pitch;
  const int64_t q_row = shape.width * query_channels, v_row = shape.width * channels;
  parallel(0, batch * height, [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; n++)
      to_planes(key + n * q_row, key_planes + n * plane, query_channels, shape);
  });
  const int64_t entries = L * L * shape.pitch;
  const int64_t most = std::max<int64_t>(L, kWeightBytes / int64_t(sizeof(A)) / entries);
  parallel(0, batch * height, [&](int64_t begin, int64_t end) {
    Buffer<A> queries(plane), weights(std::min(most, end - begin) * entries);
    while (begin < end) {
      const int64_t image = begin / height, top = begin % height;
      const int64_t bottom = std::min({top + most, height, top + end - begin});
      for (int64_t y = top; y < bottom; y++) {
        A* row = weights.data() + (y - top) * entries;
        to_planes(query + (image * height + y) * q_row, queries.data(), query_channels, shape);
        products<A, L>(queries.data(), key_planes + image * height * plane, row, query_channels, y,
                       shape);
        softmax<A, L>(row, y, shape);
      }
      weighted_sums<A, T, L>(
          value + image * height * v_row,
          {weights.data() + kPad - top * entries, entries, L * shape.pitch, shape.pitch},
          out + image * height * v_row, channels, top, bottom, shape);
      begin += bottom - top;
    }
  });
}

// Of one image.
template <class A, int L, class Parallel>
void backward(const A* gradient, const A* query, const A* key, const A* value, A* to_query,
              A* to_key, A* to_value, int64_t query_channels, int64_t channels, const Shape& shape,
              Parallel&& parallel) {
  constexpr int64_t radius = L / 2;
  const int64_t entries = L * L * shape.pitch;
  const int64_t q_row = shape.width * query_channels, v_row = shape.width * channels;
  Buffer<A> key_planes(shape.height * query_channels * shape.pitch);
  Buffer<A> value_planes(shape.height * channels * shape.pitch);
  // The padding is read by mirrored offsets and stays 0.
  Buffer<A> weights(shape.height * entries), slopes(shape.height * entries);
  parallel(0, shape.height, [&](int64_t begin, int64_t end) {
    for (int64_t y = begin; y < end; y++) {
      to_planes(key + y * q_row, key_planes.data() + y * query_channels * shape.pitch,
                query_channels, shape);
      to_planes(value + y * v_row, value_planes.data() + y * channels * shape.pitch, channels,
                shape);
    }
  });
  parallel(0, shape.height, [&](int64_t begin, int64_t end) {
    Buffer<A> planes(std::max(query_channels, channels) * shape.pitch);
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
  parallel(0, shape.height, [&](int64_t begin, int64_t end) {
    weighted_sums<A, A, L>(query, {slopes.data() + start, entries, by_down, by_across}, to_key,
                           query_channels, begin, end, shape);
    weighted_sums<A, A, L>(gradient, {weights.data() + start, entries, by_down, by_across},
                           to_value, channels, begin, end, shape);
  });
}

}  // namespace local_attention
