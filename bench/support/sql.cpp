#include "support/sql.hpp"

#include <libpq-fe.h>
#include <poll.h>

#include <cstdlib>
#include <memory>

#include "support/bench.hpp"

namespace pgtide::bench {
namespace {

struct Clear {
  void operator()(PGresult* result) const { PQclear(result); }
};
using Answer = std::unique_ptr<PGresult, Clear>;

Answer execute(PGconn* connection, const std::string& sql) {
  Answer answer(PQexec(connection, sql.c_str()));
  const ExecStatusType status = PQresultStatus(answer.get());
  if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
    give_up(std::string(PQerrorMessage(connection)) + "in: " + sql);
  }
  return answer;
}

void ignore_notice(void*, const PGresult*) {}

}  // namespace

Sql::Sql(const std::string& url) : connection_(PQconnectdb(url.c_str())) {
  PQsetNoticeReceiver(connection_, ignore_notice, nullptr);
  if (PQstatus(connection_) == CONNECTION_OK) return;
  const std::string why = PQerrorMessage(connection_);
  PQfinish(connection_);
  give_up(why);
}

Sql::~Sql() { PQfinish(connection_); }

void Sql::run(const std::string& sql) { execute(connection_, sql); }

std::string Sql::value(const std::string& sql) {
  const Answer answer = execute(connection_, sql);
  if (PQntuples(answer.get()) == 0) give_up("no row from: " + sql);
  return PQgetvalue(answer.get(), 0, 0);
}

double Sql::number(const std::string& sql) { return std::strtod(value(sql).c_str(), nullptr); }

unsigned Sql::take_notifications(int milliseconds) {
  pollfd socket{PQsocket(connection_), POLLIN, 0};
  poll(&socket, 1, milliseconds);
  if (PQconsumeInput(connection_) == 0) give_up(PQerrorMessage(connection_));
  unsigned taken = 0;
  while (PGnotify* notification = PQnotifies(connection_)) {
    PQfreemem(notification);
    ++taken;
  }
  return taken;
}

}  // namespace pgtide::bench
