#pragma once
#include <chrono>

namespace pgtide {

// The program's memory that is free: how much of it is kept for the next batch, and when the rest
// goes back to the system.
//
// Runs of some hundred kilobytes are made and freed with each batch. glibc gives such memory back
// at once, and each time the kernel's new pages cost more than the work: 8.6 ms instead of 0.3 ms
// for a batch of 64 events with 64 distinct merged runs (measured 2026-11-24). So it is told to
// keep some: 16 MiB at the end of each thread's heap. But what is freed below something else stays
// as well, after a peak for ever: what was too much at two looks in a row goes back. (Rejected: to
// keep more at the end of a heap, which malloc_trim() leaves alone; looking once, which would take
// from a batch what the next one needs; another allocator, a further library for what the C library
// can.) A program that embeds the bridge decides for itself.
// Owned by the program's first thread.
class FreedMemory {
 public:
  static constexpr std::chrono::seconds interval{5};  // between two looks

  // Before the first thread is started.
  static void keep_some();
  void look();

 private:
  bool was_much_ = false;
};

}  // namespace pgtide
