// One head on one text: the text shaded by where a token looks (or from where it is looked at), and
// arcs between tokens above a limit. Text is only ever set as textContent.
//
// `cells` is a lower triangle [query][key <= query], uint16, 65535 for an attention of 1.

const MOST_ARCS = 400
const HIGHEST = 150 // pixels
const DEEPEST = 60 // percent of colour behind an attention of 1: words stay readable on it
const SVG = "http://www.w3.org/2000/svg"
const instances = new WeakMap()

export default function (component) {
  const { data, parentElement } = component
  let view = instances.get(parentElement)
  if (!view) {
    view = new TextView(parentElement)
    instances.set(parentElement, view)
  }
  view.update(data, component.setStateValue)
  return () => instances.delete(parentElement)
}

class TextView {
  constructor(root) {
    this.find = selector => root.querySelector(selector)
    this.find(".text").onkeydown = event => this.key(event)
    this.find(".text").onmouseleave = () => this.shade(this.token)
  }

  update(data, setStateValue) {
    const isNew = this.data?.cells !== data.cells || this.data.tokens.join("\0") !== data.tokens.join("\0")
    this.data = data
    this.setStateValue = setStateValue
    this.token = data.token
    if (isNew) {
      const raw = Uint8Array.from(atob(data.cells), character => character.charCodeAt(0))
      this.cells = new Uint16Array(raw.buffer)
      this.build()
    }
    this.shade(this.token)
    this.drawArcs()
  }

  value(query, key) {
    return key > query ? 0 : this.cells[(query * (query + 1)) / 2 + key] / 65535
  }

  // attention between the token at `from` and the one at `other`, in the direction chosen
  share(from, other) {
    return this.data.toward ? this.value(other, from) : this.value(from, other)
  }

  build() {
    this.buttons = this.data.tokens.map((token, index) => {
      const button = document.createElement("button")
      button.type = "button"
      button.className = index === 0 && this.data.start ? "token start" : "token"
      const [piece, share] = ["piece", "share"].map(name => {
        const part = document.createElement("span")
        part.className = name
        return part
      })
      piece.textContent = visible(token)
      button.append(piece, share)
      button.onmouseenter = () => this.shade(index)
      button.onfocus = () => this.shade(index)
      button.onclick = () => this.choose(index)
      return button
    })
    this.find(".text").replaceChildren(...this.buttons)
  }

  shade(from) {
    const { tokens, toward } = this.data
    this.buttons.forEach((button, index) => {
      const isOutOfReach = toward ? index < from : index > from
      const value = this.share(from, index)
      button.style.setProperty("--share", `${Math.round(DEEPEST * value)}%`)
      button.classList.toggle("ahead", isOutOfReach)
      button.querySelector(".share").textContent = isOutOfReach ? "" : percent(value)
      button.setAttribute("aria-pressed", String(index === this.token))
      button.tabIndex = index === this.token ? 0 : -1
      button.setAttribute("aria-label", `${tokens[index]} at ${index}${isOutOfReach ? "" : `, ${percent(value)}`}`)
    })
    const others = tokens.map((_, index) => [this.share(from, index), index]).sort((a, b) => b[0] - a[0])
    const most = others.slice(0, 3).filter(([value]) => value > 0)
      .map(([value, index]) => `“${visible(tokens[index])}” at ${index} (${percent(value)})`)
    const lead = toward ? "gets most attention from" : "looks most at"
    this.find(".said").textContent = most.length
      ? `“${visible(tokens[from])}” at ${from} ${lead} ${most.join(", ")}.`
      : `“${visible(tokens[from])}” at ${from}: nothing to show.`
  }

  choose(index) {
    this.token = index
    this.shade(index)
    this.drawArcs()
    this.setStateValue("token", index)
  }

  key(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -1, ArrowDown: 1 }[event.key]
    const at = this.buttons.indexOf(event.target)
    if (!step || !this.buttons[at + step]) return
    this.buttons[at + step].focus()
    event.preventDefault()
  }

  drawArcs() {
    const { tokens, arcs } = this.data
    const widths = tokens.map(token => 8 * visible(token).length + 14)
    const middles = []
    widths.reduce((left, width) => (middles.push(left + width / 2), left + width), 0)
    const width = widths.reduce((sum, each) => sum + each, 0)
    const found = []
    for (let query = 1; query < tokens.length; query++) {
      for (let key = 0; key < query; key++) {
        const value = this.value(query, key)
        if (value >= arcs && value > 0) found.push([value, query, key])
      }
    }
    found.sort((a, b) => b[0] - a[0])
    const drawn = found.slice(0, MOST_ARCS)
    const svg = this.find(".arcs")
    svg.setAttribute("width", width)
    svg.setAttribute("height", HIGHEST + 26)
    svg.setAttribute("aria-label", `${drawn.length} arcs between tokens`)
    const paths = drawn.reverse().map(([value, query, key]) => {
      const [from, to] = [middles[query], middles[key]]
      const height = Math.min(HIGHEST - 6, 14 + (from - to) * 0.35)
      const path = document.createElementNS(SVG, "path")
      path.setAttribute("d", `M ${from} ${HIGHEST} C ${from} ${HIGHEST - height * 1.33}, ${to} ${HIGHEST - height * 1.33}, ${to} ${HIGHEST}`)
      path.setAttribute("stroke-width", 1 + 3 * value)
      path.setAttribute("opacity", 0.3 + 0.7 * value)
      const isChosen = (this.data.toward ? key : query) === this.token
      path.setAttribute("class", isChosen ? "chosen" : "")
      const title = document.createElementNS(SVG, "title")
      title.textContent = `${visible(tokens[query])} at ${query} looks at ${visible(tokens[key])} at ${key}: ${percent(value)}`
      path.append(title)
      return path
    })
    const words = tokens.map((token, index) => {
      const text = document.createElementNS(SVG, "text")
      text.setAttribute("x", middles[index])
      text.setAttribute("y", HIGHEST + 18)
      text.textContent = visible(token)
      return text
    })
    svg.replaceChildren(...paths, ...words)
    const limit = `Arcs: attention of ${percent(arcs)} or more on an earlier token (${found.length}). A token's attention on itself has no arc.`
    this.find(".note").textContent = found.length > MOST_ARCS ? `${limit} The strongest ${MOST_ARCS} are drawn.` : limit
  }
}

function visible(token) {
  return token.replace(/ /g, "·").replace(/\n/g, "↵").replace(/\t/g, "⇥")
}

function percent(value) {
  return value > 0 && value < 0.001 ? "< 0.1 %" : `${(100 * value).toFixed(1)} %`
}
