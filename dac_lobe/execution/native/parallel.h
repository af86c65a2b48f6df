// Parallel loops on threads of our own, which sleep while there is nothing to do.
//
// Those of torch's OpenMP look for work at full load for milliseconds after each of its
// loops, and wait for each other at full load at its end. Where another process has a share
// of the cores, they would wait for threads that cannot run because of them. So they are
// left alone, and torch's own operations around the networks run on the calling thread
// (dac_lobe/network/threads.py).
#pragma once

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#if !defined(_WIN32)
#include <pthread.h>
#endif
#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace lobe {

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

  static constexpr int kLooks = 1000;

 private:
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

// Threads of this process that sleep until a team asks for help. They begin when they
// are first needed and never end; a forked child begins anew.
class Pool {
 public:
  static Pool& here() {
    static std::atomic<Pool*> current{nullptr};
#if !defined(_WIN32)
    static const int registered =
        pthread_atfork(nullptr, nullptr, [] { current = nullptr; });
    static_cast<void>(registered);
#endif
    Pool* pool = current;
    if (pool == nullptr) {
      // Never deleted: at the process's end its threads still wait on it.
      Pool* fresh = new Pool;
      if (current.compare_exchange_strong(pool, fresh)) return *fresh;
      delete fresh;
    }
    return *pool;
  }

  // Have some threads help a team, as soon as they come to it.
  void lend(const std::shared_ptr<Team>& team, int helpers) {
    std::lock_guard<std::mutex> lock(mutex_);
    asked_ += helpers;
    try {
      for (; threads_ < asked_; ++threads_) std::thread([this] { work(); }).detach();
    } catch (const std::system_error&) {
      // No more threads to be had: the leader does it with fewer, or alone.
    }
    vacancies_.insert(vacancies_.end(), helpers, team);
    open_ += helpers;
    for (int i = 0; i < helpers && sleeping_ > 0; ++i) changed_.notify_one();
  }

  // Whoever has not come to the team yet need not come any more.
  void take_back(const std::shared_ptr<Team>& team, int helpers) {
    std::lock_guard<std::mutex> lock(mutex_);
    asked_ -= helpers;
    vacancies_.erase(std::remove(vacancies_.begin(), vacancies_.end(), team),
                     vacancies_.end());
    open_ = static_cast<int>(vacancies_.size());
  }

 private:
  void work() {
    for (;;) {
      for (int i = 0; i < Team::kLooks && open_ == 0; ++i) pause_briefly();
      std::shared_ptr<Team> team;
      {
        std::unique_lock<std::mutex> lock(mutex_);
        ++sleeping_;
        changed_.wait(lock, [&] { return !vacancies_.empty(); });
        --sleeping_;
        team = std::move(vacancies_.back());
        vacancies_.pop_back();
        --open_;
      }
      team->help();
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::shared_ptr<Team>> vacancies_;
  std::atomic<int> open_{0};
  int asked_ = 0, threads_ = 0, sleeping_ = 0;
};

// Call body() on this thread, with others to help in its loops.
template <class Body>
static void with_team(int threads, const Body& body) {
  if (threads <= 1 || alone() || Team::mine() != nullptr) return body();
  // Helpers that come late hold a team which is dismissed; nobody waits for them.
  struct Lead {
    const std::shared_ptr<Team> team = std::make_shared<Team>();
    const int helpers;

    explicit Lead(int count) : helpers(count) {
      Pool::here().lend(team, helpers);
      Team::mine() = team.get();
    }
    ~Lead() {
      Team::mine() = nullptr;
      Pool::here().take_back(team, helpers);
      team->dismiss();
    }
  } lead(threads - 1);
  body();
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
