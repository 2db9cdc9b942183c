// page.html holds two places, @style@ and @script@, for its stylesheets and scripts, and one,
// @scene@, for what it shows. The scene is JSON inside a <script> element, where HTML's only danger
// is the text "</script" or "<!--": every "<" is written as \u003c, which JSON reads as the same
// string.

#include "cli/demo_page.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <span>
#include <string>

#include "cli/demo.hpp"
#include "cli/demo_city.hpp"

namespace pgtide {
namespace {

constexpr std::string_view style_files[] = {"scheme.css", "page.css"};
// Each script uses what those before it define.
constexpr std::string_view script_files[] = {
    "text.js",    "connection.js", "table.js", "map.js", "stream.js", "patterns.js",
    "figures.js", "viewers.js",   "page.js"};

const std::string& text_of(std::string_view name) {
  const auto& files = page_files();
  const auto found = std::find_if(files.begin(), files.end(), [name](const EmbeddedFile& file) {
    return file.name == name;
  });
  PGTIDE_ASSERT(found != files.end());
  return found->text;
}

std::string joined(std::span<const std::string_view> names) {
  std::string text;
  for (const std::string_view name : names) text += text_of(name);
  return text;
}

void fill(std::string& page, std::string_view place, std::string_view text) {
  const size_t at = page.find(place);
  PGTIDE_ASSERT(at != std::string::npos);
  page.replace(at, place.size(), text);
}

std::string to_json(const DemoScene& scene) {
  nlohmann::json json = {{"collections", nlohmann::json::array()},
                         {"endpoint", scene.endpoint},
                         {"sample", scene.sample},
                         {"viewers", nlohmann::json::array()},
                         {"psql", scene.psql}};
  for (const DemoCollection& collection : scene.collections)
    json["collections"].push_back({{"name", collection.name}, {"key", collection.key}});
  for (const DemoViewer& viewer : scene.viewers)
    json["viewers"].push_back({{"name", viewer.name},
                               {"role", viewer.role},
                               {"sees", viewer.sees},
                               {"token", viewer.token}});
  if (scene.sample)
    json["town"] = {{"collection", "vehicles"},
                    {"width", map_width},
                    {"height", map_height},
                    {"lines", nlohmann::json::parse(town_json())}};
  const std::string text = json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  std::string safe;
  for (const char c : text)
    if (c == '<')
      safe += "\\u003c";
    else
      safe += c;
  return safe;
}

}  // namespace

std::string demo_page(const DemoScene& scene) {
  std::string page = text_of("page.html");
  fill(page, "@style@", joined(style_files));
  fill(page, "@script@", joined(script_files));
  fill(page, "@scene@", to_json(scene));
  return page;
}

}  // namespace pgtide
