// A grid of cells to paint, query down and key across: press or drag, or arrow keys and Space. Python
// hears the painted cells when the press is over. Text is only ever set as textContent.

const instances = new WeakMap()

export default function (component) {
  const { data, parentElement } = component
  let paint = instances.get(parentElement)
  if (!paint) {
    paint = new Paint(parentElement)
    instances.set(parentElement, paint)
  }
  paint.update(data, component.setStateValue)
  return () => instances.delete(parentElement)
}

class Paint {
  constructor(root) {
    this.grid = root.querySelector(".cells")
    this.said = root.querySelector(".said")
    this.at = [0, 0]
    this.grid.onkeydown = event => this.key(event)
    this.grid.onpointerdown = event => this.begin(event)
    this.grid.onpointerover = event => this.over(event)
    root.ownerDocument.addEventListener("pointerup", () => this.end())
  }

  update(data, setStateValue) {
    this.setStateValue = setStateValue
    const isNew = data.id !== this.data?.id
    this.data = data
    if (isNew) {
      this.build()
      this.painted = new Set(data.cells.map(String))
    }
    this.ruled = new Set(data.ruled.map(String))
    this.buttons.flat().forEach(button => this.dress(button))
  }

  build() {
    const words = this.data.tokens
    this.grid.style.gridTemplateColumns = `auto repeat(${words.length}, auto)`
    const line = parts => {
      const row = document.createElement("div")
      row.className = "line"
      row.setAttribute("role", "row")
      row.append(...parts)
      return row
    }
    const name = (text, kind, role) => {
      const element = document.createElement("span")
      element.className = kind
      if (role) element.setAttribute("role", role)
      element.textContent = text
      return element
    }
    const top = [
      name("", "name", "columnheader"),
      ...words.map(word => name(word, "name top", "columnheader")),
    ]
    this.buttons = words.map((word, query) => words.slice(0, query + 1).map((_, key) => this.cell(query, key)))
    const rows = words.map((word, query) =>
      line([name(word, "name", "rowheader"), ...this.buttons[query], ...words.slice(query + 1).map(() => name("", "name", "gridcell"))])
    )
    this.grid.replaceChildren(line(top), ...rows)
    this.rove(words.length - 1, 0)
  }

  cell(query, key) {
    const { tokens } = this.data
    const button = document.createElement("button")
    button.type = "button"
    button.className = "cell"
    button.place = [query, key]
    button.tabIndex = -1
    button.setAttribute("role", "gridcell")
    button.setAttribute("aria-label", `from ${query} ${tokens[query]} to ${key} ${tokens[key]}`)
    button.onfocus = () => this.rove(query, key)
    return button
  }

  dress(button) {
    const name = String(button.place)
    button.setAttribute("aria-selected", String(this.painted.has(name)))
    button.classList.toggle("rule", this.ruled.has(name))
  }

  set(button, on) {
    const name = String(button.place)
    if (on) this.painted.add(name)
    else this.painted.delete(name)
    this.dress(button)
  }

  begin(event) {
    const button = event.target.closest(".cell")
    if (!button) return
    event.target.releasePointerCapture?.(event.pointerId) // a drag by touch paints what it passes
    this.painting = !this.painted.has(String(button.place))
    this.isDown = true
    this.set(button, this.painting)
  }

  over(event) {
    const button = event.target.closest(".cell")
    if (!button) return
    this.say(button)
    if (this.isDown) this.set(button, this.painting)
  }

  end() {
    if (!this.isDown) return
    this.isDown = false
    this.tell()
  }

  tell() {
    this.setStateValue("cells", [...this.painted].map(name => name.split(",").map(Number)))
  }

  say(button) {
    const [query, key] = button.place
    const { tokens } = this.data
    this.said.textContent = `from ${query} “${tokens[query]}” to ${key} “${tokens[key]}”`
  }

  rove(query, key) {
    const [was, wasKey] = this.at
    if (this.buttons[was]?.[wasKey]) this.buttons[was][wasKey].tabIndex = -1
    this.at = [query, key]
    if (this.buttons[query]?.[key]) this.buttons[query][key].tabIndex = 0
  }

  key(event) {
    const [query, key] = this.at
    if (event.key === " " || event.key === "Enter") {
      event.preventDefault()
      const button = this.buttons[query][key]
      this.set(button, !this.painted.has(String(button.place)))
      this.tell()
      return
    }
    const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key]
    if (!step) return
    event.preventDefault()
    const next = this.buttons[query + step[0]]?.[key + step[1]]
    if (next) {
      next.focus()
      this.say(next)
    }
  }
}
