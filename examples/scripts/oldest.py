# /// taskyard
# key: oldest
# title: The oldest of some people
# inputSchema:
#   type: object
#   required: [people]
#   properties:
#     people: {type: array, items: {type: object, required: [name, age]}}
#     than: {type: integer, default: 0}
# outputSchema: {type: array, items: {type: string}}
# implementation: {resources: {cpuSeconds: 5}}
# ///
# /// script
# requires-python = ">=3.9"
# dependencies = ["jmespath>=1"]
# ///
import jmespath


def main(input, ctx):
    query = f"reverse(sort_by(people[?age > `{input.get('than', 0)}`], &age))[].name"
    ctx.log("info", f"asking for {query}")
    return jmespath.search(query, input)
