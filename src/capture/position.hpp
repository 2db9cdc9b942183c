#pragma once
#include "capture/database_session.hpp"
#include "capture/source_context.hpp"

// Whether this database is what it was, and where the stream goes on in it.
namespace pgtide {

// The schema is there, of our version, and our role may use it. Throws CaptureFault that says what
// to run.
void require_schema(DatabaseSession& session);

// So, and the server is no standby.
void require_installed(DatabaseSession& session);

// By the leader, before its first tick: compares system, database and the age of the last tick with
// what it finds, and begins the log anew, with another epoch, where they differ (a dump restored
// elsewhere: its xids mean nothing here). Makes the first tick where there is none.
void secure_history(DatabaseSession& session);

// Empties the log and gives it another epoch, where it still has this one; else somebody else has
// done so. By leader or follower: no tick is made after one that is gone. Waits for all writers, as
// long as pgtide.lock_patience says, and then fails.
void begin_anew(DatabaseSession& session, std::uint64_t epoch);

// Where the stream goes on: after what was delivered, else after the options' cursor, else at the
// last tick. Begins it in the feed, or begins it anew where what was delivered last is no longer
// followed by the log. Throws CaptureFault (unavailable) where no leader has made a tick yet.
void establish_position(DatabaseSession& session, SourceContext& context);

// The next ticks after `n`, at most a hundred, in order. Throws CaptureFault (unavailable) where
// one of them is kept no longer.
std::vector<Tick> ticks_after(DatabaseSession& session, std::uint64_t n);

}  // namespace pgtide
