#include "config/case_file.hpp"
#include "config/rules_file.hpp"
#include "fuzz/fuzz.hpp"
#include "unit/broker_fixture.hpp"

namespace pgtide::test {

void fuzz_rules(std::string_view text) {
  const RulesDraft draft = draft_rules(text, "rules.yaml");
  for (const FileFault& fault : draft.faults) {
    PGTIDE_ASSERT(!fault.message.empty() && fault.line >= 0 && fault.column >= 0);
  }
  auto parsed = parse_rules(text, "rules.yaml");
  PGTIDE_ASSERT((parsed.index() == 0) == draft.faults.empty());
  (void)parse_cases(text);
  auto* rules = std::get_if<Rules>(&parsed);
  if (rules == nullptr) return;
  const auto catalog = std::make_shared<Catalog>(all_tables(), std::vector<std::string>{});
  const auto policy = Policy::bind(std::make_shared<Rules>(std::move(*rules)), catalog, nullptr);
  const Principal user{"17", {"editor"}, R"({"team":3})"};
  for (const Principal* who : {&user, static_cast<const Principal*>(nullptr)}) {
    for (const char* pattern : {"*", "posts.*", "comments.1,2"}) {
      const auto verdict = policy->may_subscribe(who, *parse_pattern(pattern));
      if (verdict == Policy::Verdict::allowed) (void)policy->rows(who, "posts");
    }
  }
}

}  // namespace pgtide::test
