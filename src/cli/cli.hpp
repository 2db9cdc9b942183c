#pragma once

namespace pgtide {

// The program: parses the command line and runs the subcommand it names (PROTOCOL 6). Returns the
// exit code: 0 fine, 1 a failure at run time, 2 wrong usage or configuration.
int run_cli(int argc, char** argv);

}  // namespace pgtide
