#pragma once

namespace pgtide {

// At which door a socket was accepted: the one for all, or one of two apart.
enum class Entrance { everyone, clients, operators };

}  // namespace pgtide
