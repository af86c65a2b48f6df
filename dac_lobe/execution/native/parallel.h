// Parallel loops on the OpenMP threads that the process already has.
//
// torch brings an OpenMP runtime. A second one would mean a second set of
// threads on the same cores, so none is linked: GOMP_parallel, the entry that
// compilers call, is looked up in the running process (GNU's and LLVM's runtime
// both have it). Where there is none, as on Windows, or after a fork, whose child
// must not touch the parent's threads, short-lived threads do the work. Threads of our
// own that sleep between calls were tried: they share the cores with those of torch,
// which look for work at full load for some milliseconds after each of its loops.
//
// A whole network is one parallel region, within which its loops are handed out here,
// since the runtime lets all wait for all at the end of each loop, at full load. Where
// another process has a share of the cores, they would wait for threads that cannot run
// because of them.
#pragma once

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
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

static inline void pause_briefly() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// A loop that threads share: whoever is free takes the next task, so that a core which
// is busy with something else does not hold up the rest.
class Loop {
 public:
  explicit Loop(long count) : count_(count) {}
  virtual ~Loop() = default;

  void run() noexcept {
    try {
      for (long i = next_++; i < count_ && !failed_; i = next_++) task(i);
    } catch (const std::exception&) {
      failed_ = true;
    }
  }
  bool failed() const { return failed_; }

 private:
  virtual void task(long i) = 0;

  const long count_;
  std::atomic<long> next_{0};
  std::atomic<bool> failed_{false};
};

// Threads that help one thread with its loops.
//
// A helper that comes late finds a loop closed and leaves it; nobody waits for it. Who
// has to wait looks for some microseconds, as long as there is between two steps of a
// network, and then sleeps.
class Team {
 public:
  // The team of this thread, if it leads one.
  static Team*& mine() {
    thread_local Team* team = nullptr;
    return team;
  }

  // Lead: do a loop with whoever helps.
  void run(Loop& loop) {
    loop_ = &loop;
    open_ = true;
    ++round_;
    wake(sleeping_);
    loop.run();
    open_ = false;
    wait(waiting_, [&] { return inside_ == 0; });
  }

  // Help until the leader dismisses the team.
  void help() {
    for (long seen = 0;;) {
      wait(sleeping_, [&] { return round_ != seen; });
      seen = round_;
      if (dismissed_) return;
      ++inside_;
      // The leader closes a loop before it asks whether anybody is inside.
      if (open_) loop_.load()->run();
      if (--inside_ == 0) wake(waiting_);
    }
  }

  void dismiss() {
    dismissed_ = true;
    ++round_;
    wake(sleeping_);
  }

 private:
  static constexpr int kLooks = 1000;

  template <class Ready>
  void wait(std::atomic<int>& sleepers, const Ready& ready) {
    for (int i = 0; i < kLooks; ++i) {
      if (ready()) return;
      pause_briefly();
    }
    std::unique_lock<std::mutex> lock(mutex_);
    ++sleepers;
    changed_.wait(lock, ready);
    --sleepers;
  }

  void wake(const std::atomic<int>& sleepers) {
    if (sleepers == 0) return;
    std::lock_guard<std::mutex> lock(mutex_);
    changed_.notify_all();
  }

  std::atomic<Loop*> loop_{nullptr};
  std::atomic<bool> open_{false}, dismissed_{false};
  std::atomic<long> round_{0};
  std::atomic<int> inside_{0}, sleeping_{0}, waiting_{0};
  std::mutex mutex_;
  std::condition_variable changed_;
};

// Call body() on this thread, with others to help in its loops.
template <class Body>
static void with_team(int threads, const Body& body) {
  if (threads <= 1 || alone() || Team::mine() != nullptr) return body();
  struct Region {
    const Body& body;
    const std::thread::id leader = std::this_thread::get_id();
    Team team;

    explicit Region(const Body& given) : body(given) {}

    static void enter(void* given) {
      Region& region = *static_cast<Region*>(given);
      if (std::this_thread::get_id() != region.leader) return region.team.help();
      Team::mine() = &region.team;
      region.body();
      Team::mine() = nullptr;
      region.team.dismiss();
    }
  };
  Region region(body);
  if (const GompParallel runtime = find_runtime()) {
    return runtime(&Region::enter, &region, static_cast<unsigned>(threads), 0);
  }
  std::vector<std::thread> others;
  for (int i = 1; i < threads; ++i) others.emplace_back(&Region::enter, &region);
  Region::enter(&region);
  for (std::thread& other : others) other.join();
}

// Call task(i) for i from 0 to count - 1. Returns whether all tasks ran; it is false if
// one threw.
template <class Task>
static bool parallel(long count, int threads, const Task& task) {
  struct Tasks : Loop {
    const Task& each;
    Tasks(long count, const Task& task) : Loop(count), each(task) {}
    void task(long i) override { each(i); }
  };
  Tasks loop(count, task);
  const int team = static_cast<int>(std::min<long>(threads, count));
  with_team(team, [&] {
    Team* mine = team > 1 && !alone() ? Team::mine() : nullptr;
    mine ? mine->run(loop) : loop.run();
  });
  return !loop.failed();
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
