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
#include <memory>
#include <thread>
#include <vector>

#if !defined(_WIN32)
#include <dlfcn.h>
#include <pthread.h>
#endif
#if defined(__linux__)
#include <sys/mman.h>
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

// Whether this thread is one of several that each do a whole item: loops within it then
// run on this thread alone, divided as if there were all.
static inline bool& alone() {
  thread_local bool mine = false;
  return mine;
}

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
  const int team = alone() ? 1 : static_cast<int>(std::min<long>(threads, count));
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

// Call task(i), which says whether it worked, for i from 0 to count - 1: as many whole
// items as there are threads at a time, and what is left one by one, on all threads.
template <class Task>
static bool spread(long count, int threads, const Task& task) {
  const long together = threads > 1 && !alone() ? count - count % threads : 0;
  std::atomic<bool> failed{false};
  const bool ran = parallel(together, threads, [&](long i) {
    struct Alone {
      Alone() { alone() = true; }
      ~Alone() { alone() = false; }
    } here;
    if (!task(i)) failed = true;
  });
  if (!ran || failed) return false;
  try {
    for (long i = together; i < count; ++i) {
      if (!task(i)) return false;
    }
  } catch (const std::exception&) {
    return false;
  }
  return true;
}

// Scratch memory of one thread; it is kept for the next call.
class Scratch {
 public:
  // At least `count` floats, on a cache line's boundary; contents are undefined.
  float* take(size_t count) {
    constexpr size_t kLine = 16;
    if (size_ < count) {
      memory_.reset();
      size_ = 0;
      // Not zeroed, since the kernel does not read what it has not written.
      memory_.reset(new float[count + kLine + kHuge]);
      size_ = count;
      const size_t bytes = count * sizeof(float);
      begin_ = aligned(memory_.get(), bytes < kHuge * sizeof(float) ? kLine : kHuge);
#if defined(__linux__)
      // Rows lie a page or more apart: with small pages, looking up where they are
      // takes longer than reading them.
      if (bytes >= kHuge * sizeof(float)) madvise(begin_, bytes, MADV_HUGEPAGE);
#endif
    }
    return begin_;
  }

 private:
  static constexpr size_t kHuge = (2 << 20) / sizeof(float);

  static float* aligned(float* from, size_t floats) {
    const auto address = reinterpret_cast<uintptr_t>(from), unit = floats * sizeof(float);
    return from + (unit - address % unit) % unit / sizeof(float);
  }

  std::unique_ptr<float[]> memory_;
  float* begin_ = nullptr;
  size_t size_ = 0;
};

static inline Scratch& scratch() {
  thread_local Scratch mine;
  return mine;
}

}  // namespace lobe
