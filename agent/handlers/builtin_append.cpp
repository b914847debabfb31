// builtin.append: one line at the end of a file, written once per attempt and on disk before it counts.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "agent/handlers/builtins.h"
#include "agent/handlers/child_process.h"
#include "common/model/limits.h"

namespace duly {
namespace {

constexpr std::size_t kFileNameBytes = 255;

// Why `file` is not a plain name inside the directory; empty = it is.
std::string objection_to(const std::string& file) {
  if (file.empty() || file == ".") return "file is not a file name";
  if (file.find('/') != std::string::npos) return "file must not contain /";
  if (file.find("..") != std::string::npos) return "file must not contain ..";
  if (file.find('\0') != std::string::npos) return "file must not contain a NUL";
  return {};
}

// Errors that another attempt on the same disk would meet again.
bool is_refusal(int number) {
  return number == ELOOP || number == EISDIR || number == ENXIO || number == EACCES;
}

HandlerResult failed(const std::string& what, int number) {
  return is_refusal(number) ? HandlerResult::fail_for_good(errno_text(what, number))
                            : HandlerResult::fail(errno_text(what, number));
}

// One write: O_APPEND makes it land whole and in its own place however many agents share the file.
HandlerResult write_line(int to, const std::string& line) {
  const ssize_t written = ::write(to, line.data(), line.size());
  if (written < 0) return failed("write", errno);
  if (static_cast<std::size_t>(written) != line.size())
    return HandlerResult::fail("write: the line was cut short");
  if (::fsync(to) != 0) return failed("fsync", errno);
  return HandlerResult::succeed();
}

HandlerResult append_line(const std::string& directory, const std::string& file, const std::string& line) {
  const Descriptor parent(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!parent.open()) return HandlerResult::fail(errno_text("append-dir", errno));
  // O_NONBLOCK: opening a FIFO that nobody reads must fail, not wait.
  const int flags = O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK;
  const Descriptor target(::openat(parent.get(), file.c_str(), flags, 0666));
  if (!target.open()) return failed("file " + file, errno);
  struct stat about {};
  if (::fstat(target.get(), &about) != 0) return failed("file " + file, errno);
  if (!S_ISREG(about.st_mode)) return HandlerResult::fail_for_good("file " + file + " is not a regular file");
  return write_line(target.get(), line);
}

HandlerResult run_append(const std::string& directory, const HandlerContext& context) {
  if (directory.empty()) {
    return HandlerResult::fail_for_good("builtin.append is off: the agent was started without --append-dir");
  }
  const auto payload = payload_object(context, {"file", "line"});
  if (!payload) return HandlerResult::fail_for_good(payload.error().what);
  FieldReader fields(*payload);
  const std::string file = fields.text("file", kFileNameBytes);
  const std::string line = fields.text("line", limits::kPayloadBytes);
  if (!fields.ok()) return HandlerResult::fail_for_good(fields.error().what);
  if (const std::string objection = objection_to(file); !objection.empty()) {
    return HandlerResult::fail_for_good(objection);
  }
  if (line.find('\n') != std::string::npos) {
    return HandlerResult::fail_for_good("line must not contain a line end");  // it would forge another's line
  }
  return append_line(
      directory, file,
      format_command_id(context.id) + " " + std::to_string(context.attempt) + " " + line + "\n");
}

}  // namespace

Handler make_append_handler(std::string append_dir) {
  return [directory = std::move(append_dir)](const HandlerContext& context) {
    return run_append(directory, context);
  };
}

}  // namespace duly
