// The Loop of a running process: one thread in an Asio io_context, and the machine's clocks.
#pragma once

#include <boost/asio/io_context.hpp>

#include "common/runtime/loop.h"

namespace duly {

// The machine's clocks, for the edges that have no Loop.  Everything else takes `now` as an argument.
MonoTime machine_now();
WallTime machine_wall();

class AsioLoop final : public Loop {
 public:
  AsioLoop();

  MonoTime now() const override { return machine_now(); }
  WallTime wall() const override { return machine_wall(); }
  void post(Task task) override;
  void at(MonoTime when, Task task) override;

  // Runs tasks on the calling thread until stop().
  void run();
  // Any thread; no further task starts.
  void stop();
  // For Asio sockets that live on this loop.
  boost::asio::io_context& context() { return context_; }

 private:
  boost::asio::io_context context_;
};

}  // namespace duly
