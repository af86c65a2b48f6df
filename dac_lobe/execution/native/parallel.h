// Parallel loops on the OpenMP threads that the process already has.
//
// torch brings an OpenMP runtime. A second one would mean a second set of
// threads on the same cores, so none is linked: GOMP_parallel, the entry that
// compilers call, is looked up in the running process (GNU's and LLVM's runtime
// both have it). Where there is none, as on Windows, or after a fork, whose child
// must not touch the parent's threads, short-lived threads do the work.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <exception>
#include <thread>
#include <vector>

#if !defined(_WIN32)
#include <dlfcn.h>
#include <pthread.h>
#endif

namespace lobe {

typedef void (*GompParallel)(void (*)(void*), void*, unsigned, unsigned);

#if defined(_WIN32)
static inline GompParallel find_runtime() { return nullptr; }
#else
static std::atomic<bool> forked{false};

static inline GompParallel find_runtime() {
  static const GompParallel runtime = [] {
    pthread_atfork(nullptr, nullptr, [] { forked = true; });
    return reinterpret_cast<GompParallel>(dlsym(RTLD_DEFAULT, "GOMP_parallel"));
  }();
  return forked ? nullptr : runtime;
}
#endif

// Call task(i) for i from 0 to count - 1. Whoever is free takes the next one, so
// that a core which is busy with something else does not hold up the rest.
// Returns whether all tasks ran; it is false if one threw.
template <class Task>
static bool parallel(long count, int threads, const Task& task) {
  struct Work {
    const Task& task;
    long count;
    std::atomic<long> next{0};
    std::atomic<bool> failed{false};

    void run() noexcept {
      try {
        for (long i = next++; i < count && !failed; i = next++) task(i);
      } catch (const std::exception&) {
        failed = true;
      }
    }
    static void enter(void* work) { static_cast<Work*>(work)->run(); }
  };
  Work work{task, count};
  const int team = static_cast<int>(std::min<long>(threads, count));
  const GompParallel runtime = team > 1 ? find_runtime() : nullptr;
  if (team <= 1) {
    work.run();
  } else if (runtime != nullptr) {
    runtime(&Work::enter, &work, static_cast<unsigned>(team), 0);
  } else {
    std::vector<std::thread> others;
    for (int i = 1; i < team; ++i) others.emplace_back(&Work::enter, &work);
    work.run();
    for (std::thread& other : others) other.join();
  }
  return !work.failed;
}

// Scratch memory of one thread; it is kept for the next call.
class Scratch {
 public:
  // At least `count` floats, on a cache line's boundary; contents are undefined.
  float* take(size_t count) {
    constexpr size_t kLine = 16;
    if (memory_.size() < count + kLine) memory_ = std::vector<float>(count + kLine);
    const auto address = reinterpret_cast<uintptr_t>(memory_.data());
    return memory_.data() + (64 - address % 64) % 64 / sizeof(float);
  }

 private:
  std::vector<float> memory_;
};

static inline Scratch& scratch() {
  thread_local Scratch mine;
  return mine;
}

}  // namespace lobe
