// A Reader over commands in memory, so that the API can be tested without a store.
#pragma once

#include <map>
#include <memory>

#include "control-server/store/reader.h"

namespace duly::testing {

struct FakeStore {
  std::map<CommandId, CommandView> commands;
  std::map<std::string, ScheduleRow> schedules;
  std::map<CommandId, Reader::WorkflowView> workflows;
  CommandFilter last_filter;
  EndedFilter last_ended;

  void put(std::int64_t id, State state = State::scheduled) {
    CommandView view;
    view.id = CommandId{id};
    view.spec.type = "t";
    view.spec.payload = make_bytes("null");
    view.spec.due_at_ms = 0;
    view.state = state;
    commands[view.id] = view;
  }
};

std::unique_ptr<Reader> make_fake_reader(std::shared_ptr<FakeStore> store);

}  // namespace duly::testing
