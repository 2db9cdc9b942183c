#include "cli/cli.hpp"

int main(int argc, char** argv) { return pgtide::run_cli(argc, argv); }
