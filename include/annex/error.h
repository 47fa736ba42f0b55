// What the engine throws.
#pragma once

#include <stdexcept>
#include <string>

namespace annex {

enum class ErrorKind {
    kInvalidArgument,  // the caller asked for something that cannot be
    kLimit,            // a limit of the program was exceeded
    kCorrupted,        // bytes that were read make no sense
    kInternal,         // a defect of the engine
};

// The message follows PostgreSQL's style: lower case, no full stop.
class Error : public std::runtime_error {
  public:
    Error(ErrorKind kind, const std::string& message) : std::runtime_error(message), kind_(kind) {}
    [[nodiscard]] ErrorKind kind() const noexcept { return kind_; }

  private:
    ErrorKind kind_;
};

}  // namespace annex
