// Copyright 2026 the mila_ros authors
// SPDX-License-Identifier: Apache-2.0
//
// Inter-frame local attention on the CPU as PyTorch operators.
#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <torch/library.h>

#include <tuple>

#include "passes.h"

namespace {

using namespace local_attention;

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

const auto parallel = [](int64_t begin, int64_t end, auto&& run) {
  at::parallel_for(begin, end, 1, run);
};

Shape shape_of(const at::Tensor& map) { return {map.size(2), map.size(3)}; }

at::Tensor nhwc(const at::Tensor& map) { return map.contiguous(at::MemoryFormat::ChannelsLast); }

at::Tensor attention(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
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
      forward<A, T, decltype(l)::value>(
          static_cast<const T*>(q.const_data_ptr()), static_cast<const T*>(k.const_data_ptr()),
          static_cast<const T*>(v.const_data_ptr()), static_cast<T*>(out.mutable_data_ptr()),
          batch, query_channels, channels, shape, planes.mutable_data_ptr<A>(), parallel);
    });
  };
  if (v.scalar_type() == at::kFloat) run(float{}, float{});
  else if (v.scalar_type() == at::kBFloat16) run(float{}, BFloat16{});
  else run(double{}, double{});
  return out;
}

std::tuple<at::Tensor, at::Tensor, at::Tensor> attention_backward(
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
            to_value.mutable_data_ptr<A>() + at_v, q.size(1), v.size(1), shape_of(v), parallel);
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
  module.impl("local_attention_cpp", attention);
  module.impl("local_attention_cpp_backward", attention_backward);
}
