# /// taskyard
# key: invoice
# title: Add up an invoice
# inputSchema:
#   type: object
#   required: [lines]
#   properties:
#     lines:
#       type: array
#       items:
#         type: object
#         required: [text, price]
#         properties: {text: {type: string}, count: {type: integer, default: 1}, price: {type: string}}
#     vat: {type: string, default: "0.19"}
# outputSchema:
#   type: object
#   required: [net, gross]
#   properties: {net: {type: string}, gross: {type: string}}
# implementation:
#   resources: {cpuSeconds: 5, memoryMb: 128}
# ///
"""Net and gross of an invoice, to the cent."""

from decimal import ROUND_HALF_UP, Decimal

CENT = Decimal("0.01")


def main(input, ctx):
    net = Decimal(0)
    for number, line in enumerate(input["lines"], 1):
        ctx.progress(number, len(input["lines"]), line["text"])
        net += Decimal(line["price"]) * line.get("count", 1)
    gross = net * (1 + Decimal(input.get("vat", "0.19")))
    return {"net": str(net.quantize(CENT, ROUND_HALF_UP)), "gross": str(gross.quantize(CENT, ROUND_HALF_UP))}
