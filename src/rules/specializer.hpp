#pragma once
#include "model/principal.hpp"
#include "rules/node.hpp"
#include "rules/projection.hpp"

namespace pgtide {

// What remains of a rule for this user (null: nobody): a tree over the record alone that is true
// for exactly the records for which the rule is.
//
// Inside, folding keeps every value, errors included, since !, == and ?: look at them. Only where
// nothing but "is it true?" is asked - at the root, and from there through && and || - an error
// becomes false.
NodePointer specialize_tree(const Node& rule, const Principal* user);

// The same of a client's filter over the data of custom events, to which all that this projection
// does not show is absent.
NodePointer specialize_tree(const Node& filter, const Projection& shown);

// `one && other`, both of them specialized.
NodePointer join_trees(const Node& one, const Node& other);

}  // namespace pgtide
