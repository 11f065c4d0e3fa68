// Copyright 2026 the mila_ros authors
// SPDX-License-Identifier: Apache-2.0
//
// Local attention without PyTorch, for processors that are not this one: reads cases from standard
// input, writes the bytes of a vector and then every case's results.
//
// A case is int64 {bfloat16, window, batch, query channels, channels, height, width}, then query,
// key and value in NHWC. Results are the output and, of float32 maps, the gradients of query, key
// and value where the output's gradient is the output itself.
#include <cstdio>
#include <vector>

#include "passes.h"

namespace {

using namespace local_attention;

template <class T>
std::vector<T> read(int64_t count) {
  std::vector<T> values(count);
  if (fread(values.data(), sizeof(T), count, stdin) != size_t(count)) std::abort();
  return values;
}

template <class T>
void write(const std::vector<T>& values) {
  fwrite(values.data(), sizeof(T), values.size(), stdout);
}

// Two parts, as two threads would have them.
const auto halves = [](int64_t begin, int64_t end, auto&& run) {
  const int64_t middle = (begin + end) / 2;
  if (begin < middle) run(begin, middle);
  if (middle < end) run(middle, end);
};

template <class T, int L>
void answer(int64_t batch, int64_t query_channels, int64_t channels, const Shape& shape) {
  const int64_t pixels = shape.height * shape.width;
  const int64_t q_size = pixels * query_channels, v_size = pixels * channels;
  const auto q = read<T>(batch * q_size), k = read<T>(batch * q_size), v = read<T>(batch * v_size);
  std::vector<T> out(batch * v_size);
  std::vector<float> planes(batch * shape.height * query_channels * shape.pitch);
  forward<float, T, L>(q.data(), k.data(), v.data(), out.data(), batch, query_channels, channels,
                       shape, planes.data(), halves);
  write(out);
  if constexpr (std::is_same_v<T, float>) {
    std::vector<float> dq(q.size()), dk(k.size()), dv(v.size());
    for (int64_t n = 0; n < batch; n++)
      backward<float, L>(out.data() + n * v_size, q.data() + n * q_size, k.data() + n * q_size,
                         v.data() + n * v_size, dq.data() + n * q_size, dk.data() + n * q_size,
                         dv.data() + n * v_size, query_channels, channels, shape, halves);
    write(dq);
    write(dk);
    write(dv);
  }
}

}  // namespace

int main() {
  write<int64_t>({kVectorBytes});
  int64_t is_half;
  while (fread(&is_half, sizeof is_half, 1, stdin) == 1) {
    const auto n = read<int64_t>(6);
    const Shape shape(n[4], n[5]);
    if (is_half) answer<BFloat16, 5>(n[1], n[2], n[3], shape);
    else if (n[0] == 5) answer<float, 5>(n[1], n[2], n[3], shape);
    else answer<float, 15>(n[1], n[2], n[3], shape);
  }
}
