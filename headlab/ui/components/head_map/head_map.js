// All heads as buttons, layer across and head down. Python hears only which one is chosen. What the
// pointer or the keyboard rests on is told to the page as a "headlab-head" event, so that a picture
// elsewhere can show it. Text is only ever set as textContent.

const instances = new WeakMap()

export default function (component) {
  const { data, parentElement } = component
  let map = instances.get(parentElement)
  if (!map) {
    map = new HeadMap(parentElement)
    instances.set(parentElement, map)
  }
  map.update(data, component.setTriggerValue)
  return () => instances.delete(parentElement)
}

class HeadMap {
  constructor(root) {
    this.find = selector => root.querySelector(selector)
    this.cells = this.find(".cells")
    this.cells.onkeydown = event => this.key(event)
    this.cells.onmouseleave = () => this.say(null)
    this.at = [0, 0]
  }

  update(data, setTriggerValue) {
    const { n_layers, n_heads } = data
    const isNew = this.data?.n_layers !== n_layers || this.data?.n_heads !== n_heads
    this.data = data
    this.setTriggerValue = setTriggerValue
    this.chosen = new Set(data.chosen.map(String))
    this.marked = new Set(data.marked.map(String))
    if (isNew) this.build()
    this.buttons.flat().forEach(button => this.dress(button))
    if (isNew || data.chosen.length === 1) this.rove(...(data.chosen[0] ?? [0, 0]))
    this.buildLegend()
    this.say(null)
  }

  build() {
    const { n_layers, n_heads, says } = this.data
    this.cells.setAttribute("aria-label", says)
    this.cells.style.setProperty("--layers", n_layers)
    this.cells.style.setProperty("--least", n_layers > 30 ? "12px" : "15px")
    this.buttons = Array.from({ length: n_layers }, (_, layer) =>
      Array.from({ length: n_heads }, (_, head) => this.buildCell(layer, head))
    )
    const rows = Array.from({ length: n_heads }, (_, head) => [
      number(head),
      ...this.buttons.map(column => column[head]),
    ])
    const top = [number(""), ...this.buttons.map((_, layer) => number(layer))]
    this.cells.replaceChildren(...top, ...rows.flat())
  }

  buildCell(layer, head) {
    const button = document.createElement("button")
    button.type = "button"
    button.className = "cell"
    button.place = [layer, head]
    button.tabIndex = -1
    button.onmouseenter = () => this.say(button.place)
    button.onfocus = () => (this.rove(layer, head), this.say(button.place))
    button.onblur = () => this.say(null)
    button.onclick = () => {
      this.setTriggerValue("head", button.place)
      this.find(".live").textContent = `${this.named(button.place)} chosen`
    }
    return button
  }

  dress(button) {
    const { places, labels, ink } = this.data
    const [layer, head] = button.place
    const label = places && labels[places[layer][head]]
    button.textContent = label?.letters ?? ""
    button.style.setProperty("--tint", label?.colour ?? "transparent")
    button.style.setProperty("--ink", label?.colour ? ink : "var(--st-text-color)")
    const isChosen = this.chosen.has(String(button.place))
    const isMarked = this.marked.has(String(button.place))
    button.setAttribute("aria-pressed", String(isChosen))
    button.classList.toggle("marked", isMarked)
    button.setAttribute("aria-label", `${this.spoken(button.place)}${isMarked ? "; marked" : ""}`)
  }

  buildLegend() {
    const { places, labels } = this.data
    const used = new Set((places ?? []).flat())
    const counts = places ? places.flat().reduce((sum, at) => sum.set(at, (sum.get(at) ?? 0) + 1), new Map()) : new Map()
    const items = labels
      .map((label, index) => [label, index])
      .filter(([, index]) => used.has(index))
      .map(([{ letters, colour, title }, index]) => {
        const item = document.createElement("li")
        const swatch = document.createElement("b")
        swatch.textContent = letters
        if (colour) {
          swatch.style.background = colour
          swatch.style.color = this.data.ink
        }
        item.append(swatch, `${title === "unclassified" ? "no name yet" : title} ${counts.get(index)}`)
        return item
      })
    this.find(".legend").replaceChildren(...items)
  }

  named([layer, head]) {
    return `L${layer}.H${head}`
  }

  spoken([layer, head]) {
    const words = this.data.words?.[layer][head]
    return words ? `Layer ${layer} head ${head}: usually ${words}` : `Layer ${layer} head ${head}`
  }

  // the line above: the head in question, or the chosen ones
  say(place) {
    document.dispatchEvent(new CustomEvent("headlab-head", { detail: place }))
    const about = place ?? (this.data.chosen.length === 1 ? this.data.chosen[0] : null)
    const words = about && this.data.words?.[about[0]][about[1]]
    this.find(".said").textContent = about
      ? `${this.named(about)}${words ? `: usually ${words}` : ""}`
      : "layer across, head down"
  }

  rove(layer, head) {
    const [was, wasHead] = this.at
    if (this.buttons[was]?.[wasHead]) this.buttons[was][wasHead].tabIndex = -1
    this.at = [layer, head]
    if (this.buttons[layer]?.[head]) this.buttons[layer][head].tabIndex = 0
  }

  key(event) {
    const step = {
      ArrowLeft: [-1, 0],
      ArrowRight: [1, 0],
      ArrowUp: [0, -1],
      ArrowDown: [0, 1],
    }[event.key]
    if (!step) return
    const [layer, head] = this.at
    this.buttons[layer + step[0]]?.[head + step[1]]?.focus()
    event.preventDefault()
  }
}

function number(words) {
  const element = document.createElement("span")
  element.className = "number"
  element.setAttribute("aria-hidden", "true")
  element.textContent = words
  return element
}
