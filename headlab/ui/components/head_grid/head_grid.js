// The heads of one layer, or of all layers, as pictures. The pictures of every layer arrive once
// (of a long text: three layers at a time); sliding and playing layers, hovering and locking repaint
// here. Python hears which layer and head are chosen, which two words are asked about, which word is
// changed, and where the learner goes next.
//
// Pictures are uint8 lower triangles, [layer][head][query][key <= query]; 255 is an attention of 1.
// Text is only ever set as textContent or drawn on a canvas.

const SETTLE_MS = 200
const REST_MS = 650 // on each layer while it plays
const BLEND_MS = 350 // from one to the next
const STEP_MS = 1000 // with reduced motion, without a blend
const SHOWN = 3 // heads of a layer that fade in and out after a word was changed
const LEAST_CHANGE = 0.004 // of a cell on average, which is a step of its colour
const NARROW = 700 // pixels: the head in focus lies over the page instead of beside the cards
const LOW = 560 // pixels of window that are left for the cards: fewer pairs are listed
const instances = new WeakMap()
const lastViews = new Map() // by component key: survives a remount of the component
const grids = new Set() // those on the page, for hovering in one to show in others

export default function (component) {
  const { data, parentElement } = component
  let grid = instances.get(parentElement)
  if (!grid) {
    grid = new HeadGrid(parentElement, component.key)
    instances.set(parentElement, grid)
  }
  grid.update(data, component)
  return () => {
    grid.close()
    instances.delete(parentElement)
  }
}

class HeadGrid {
  constructor(root, name) {
    const find = selector => root.querySelector(selector)
    this.find = find
    this.name = name
    this.slider = find("#layer")
    this.heads = find(".heads")
    this.large = find(".large")
    this.view = { layer: 0, head: null, turn: -1, ...lastViews.get(name) }
    this.focused = 0
    this.marked = null // the token whose row and column are marked
    this.pinned = null
    this.hovered = null // layer, head, query and key under the pointer
    this.sheet = false // on a phone: whether a head that was pressed lies over the page
    this.preview = null // the card under the pointer, or with the keyboard on it
    this.before = null // pictures of the text before a word was changed
    this.slider.oninput = () => (this.stop(), this.show(Math.round(Number(this.slider.value))))
    find(".play").onclick = () => (this.playing ? this.stop(true) : this.play())
    find(".lock").onclick = () => this.lock(this.thumbInFocus())
    find(".beside").onclick = () => this.pair(!this.pairing)
    find(".close").onclick = () => this.release()
    find(".edit").onsubmit = event => this.change(event)
    this.heads.onmouseleave = () => this.look(null)
    this.heads.onkeydown = event => this.keyInHeads(event)
    find(".strip").onkeydown = event => this.keyInStrip(event)
    find(".strip").onmouseleave = () => this.together(grid => grid.mark(grid.pinned))
    this.large.onmousemove = event => this.hoverLarge(event)
    this.large.onmouseleave = () => this.together(grid => grid.unhover())
    grids.add(this)
    this.resized = new ResizeObserver(() => this.fit())
    this.resized.observe(find(".lab"))
    this.onresize = () => this.fit()
    window.addEventListener("resize", this.onresize)
  }

  close() {
    grids.delete(this)
    this.stop()
    window.removeEventListener("resize", this.onresize)
    clearTimeout(this.timer)
    this.resized.disconnect()
  }

  update(data, { setStateValue, setTriggerValue }) {
    const isNew = this.data?.id !== data.id || this.data.overview !== data.overview
    if (isNew) this.compareWith(data)
    this.data = data
    this.setStateValue = setStateValue
    this.setTriggerValue = setTriggerValue
    this.side = data.side
    this.cellCount = (data.side * (data.side + 1)) / 2
    this.colours = palette(data.palette)
    this.matches = new Set(data.highlight.map(([layer, head]) => `${layer}.${head}`))
    this.hidden = new Set(data.hidden.map(([layer, head]) => `${layer}.${head}`))
    if (data.view.turn !== this.view.turn) {
      clearTimeout(this.timer)
      this.view = { ...data.view } // the page or the address bar has chosen another view
    }
    if (isNew) {
      this.pictures = new Map() // layer -> cells of its heads
      this.rowLeft = new Map()
    }
    this.receive(data)
    if (isNew) {
      this.focused = this.view.head ?? 0
      this.slider.max = data.n_layers - 1
      this.find(".bar").hidden = data.overview
      this.buildStrip()
      this.buildThumbs()
    }
    this.buildRuler()
    this.buildFound()
    this.find(".lab").classList.toggle("fills", data.fills)
    this.show(this.view.layer, false)
    this.fit()
  }

  // keep the pictures of a text of which the learner has just changed a word
  compareWith(data) {
    this.before = null
    if (!this.changing) return
    this.changing = false
    const fits = this.data.side === data.side && this.data.pool === data.pool && this.data.lens === data.lens
    this.before = fits ? this.pictures : "other tokens"
  }

  // how much each head's picture has changed, the most first: [layer, head, mean change of a cell]
  changes(layers) {
    const found = []
    for (const layer of layers) {
      const [was, is] = [this.before.get(layer), this.pictures.get(layer)]
      for (let head = 0; was && is && head < this.data.n_heads; head++) {
        let sum = 0
        for (let cell = head * this.cellCount; cell < (head + 1) * this.cellCount; cell++) sum += Math.abs(was[cell] - is[cell])
        found.push([layer, head, sum / this.cellCount / 255])
      }
    }
    return found.filter(each => each[2] >= LEAST_CHANGE).sort((a, b) => b[2] - a[2])
  }

  // as many columns as let the pictures be largest where every card is to be on the screen
  fit() {
    const { data } = this
    if (!data?.fills) return this.drawLarge()
    const lab = this.find(".lab")
    const width = lab.clientWidth
    if (!width) return
    const phone = width < NARROW
    const pane = phone ? 0 : Math.round(Math.min(460, Math.max(280, width * 0.36)))
    if (phone !== this.isPhone()) {
      lab.classList.toggle("phone", phone)
      this.drawDetail()
    }
    const scrolled = document.querySelector("[data-testid=stMain]")?.scrollTop ?? 0
    const above = this.heads.getBoundingClientRect().top + scrolled
    const below = phone ? this.find(".bar").offsetHeight + 16 : 12
    const room = Math.max(260, window.innerHeight - above - below)
    lab.classList.toggle("low", room < LOW - 100)
    const gap = phone ? 5 : 8
    const across = width - (pane ? pane + 16 : 0)
    const { n_heads, n_layers, overview } = data
    let card = 0
    let columns = n_heads
    if (overview) {
      card = Math.min((across - 34) / n_heads - 2, (room - 26) / n_layers - 2)
      card = Math.max(24, Math.floor(card))
    } else {
      const words = this.thumbs[0].button.offsetHeight - this.thumbs[0].canvas.offsetHeight
      const edge = phone ? 8 : 12
      for (let count = Math.min(phone ? 3 : 4, n_heads); count <= n_heads; count++) {
        const rows = Math.ceil(n_heads / count)
        const side = Math.min((across - gap * (count - 1)) / count - edge, (room - gap * (rows - 1)) / rows - words)
        if (side > card + 1) [card, columns] = [side, count]
      }
      if (card < 72) {
        columns = Math.max(2, Math.floor((across + gap) / (84 + gap)))
        card = (across - gap * (columns - 1)) / columns - edge
      }
      card = Math.floor(Math.min(card, 260))
    }
    const sizes = { "--columns": columns, "--card": `${card}px`, "--pane": `${pane}px`, "--room": `${room}px` }
    for (const [name, value] of Object.entries(sizes)) lab.style.setProperty(name, value)
    if (!phone) {
      const detail = this.find(".detail")
      const others = detail.offsetHeight - this.large.offsetHeight
      lab.style.setProperty("--map", `${Math.floor(Math.max(160, Math.min(pane, room - others)))}px`)
    }
    this.drawLarge()
  }

  receive(data) {
    const size = this.cellCount * data.n_heads
    const all = bytes(data.pictures)
    const left = data.row_left && bytes(data.row_left)
    const rows = data.tokens.length * data.n_heads
    data.layers.forEach((layer, index) => {
      this.pictures.set(layer, all.subarray(index * size, (index + 1) * size))
      if (left) this.rowLeft.set(layer, left.subarray(index * rows, (index + 1) * rows))
    })
  }

  // do the same in the grids that are linked with this one and show the same tokens
  together(act) {
    const { link, tokens } = this.data
    const isPeer = ({ data }) => link && data?.link === link && data.tokens.join("\n") === tokens.join("\n")
    grids.forEach(grid => (grid === this || isPeer(grid)) && act(grid))
  }

  // the picture of a head, or undefined while it has not arrived or is kept back
  cells(layer, head) {
    if (this.hidden.has(`${layer}.${head}`)) return undefined
    return this.pictures.get(layer)?.subarray(head * this.cellCount, (head + 1) * this.cellCount)
  }

  value(layer, head, query, key) {
    return this.cells(layer, head)[(query * (query + 1)) / 2 + key] / 255
  }

  buildStrip() {
    this.marked = this.pinned = null
    this.chips = this.data.tokens.map((token, index) => {
      const chip = document.createElement("button")
      chip.type = "button"
      chip.className = index === 0 && this.data.start ? "chip start" : "chip"
      const wrote = index >= this.data.tokens.length - this.data.written
      if (wrote) {
        chip.classList.add("written")
        chip.title = "written by the model: hover shows where it looked when it wrote this"
      }
      const looked = wrote ? index - 1 : index // a word is written from the row of the one before
      chip.tabIndex = index === 0 ? 0 : -1
      chip.setAttribute("aria-pressed", "false")
      for (const character of token) {
        const sign = { " ": "·", "\n": "↵", "\t": "⇥" }[character]
        const piece = document.createElement("span")
        if (sign) piece.className = "sign"
        piece.textContent = sign ?? character
        chip.append(piece)
      }
      chip.onmouseenter = chip.onfocus = () => this.together(grid => grid.mark(looked))
      chip.onblur = () => this.together(grid => grid.mark(grid.pinned))
      chip.onclick = () => this.press(index)
      return chip
    })
    this.find(".strip").replaceChildren(...this.chips)
  }

  buildThumbs() {
    const { overview, n_layers, n_heads } = this.data
    const layers = overview ? Array.from({ length: n_layers }, (_, layer) => layer) : [null]
    this.preview = null
    this.heads.className = overview ? "heads all" : "heads"
    this.heads.style.setProperty("--heads", n_heads)
    this.heads.style.setProperty("--side", this.side)
    this.thumbs = []
    const rows = layers.map(layer => {
      const buttons = Array.from({ length: n_heads }, (_, head) => this.buildThumb(layer, head))
      if (!overview) return buttons
      const name = line("number", layer)
      name.title = `layer ${layer}`
      return [name, ...buttons]
    })
    const numbers = Array.from({ length: n_heads }, (_, head) => line("number", head))
    const top = overview ? [line("number", "L\\H"), ...numbers] : []
    this.heads.replaceChildren(...top, ...rows.flat())
    this.rove(overview ? this.view.layer * n_heads + this.focused : this.focused)
  }

  buildThumb(layer, head) {
    const button = document.createElement("button")
    button.type = "button"
    button.className = "head"
    const frame = line("frame")
    const canvas = document.createElement("canvas")
    canvas.className = "now"
    canvas.width = canvas.height = this.side
    canvas.setAttribute("aria-hidden", "true")
    const was = canvas.cloneNode()
    was.className = "was"
    frame.append(canvas, was, line("row"), line("column"))
    const [id, hint, label] = ["id", "hint", "label"].map(name => line(name))
    button.append(frame, id, hint, label)
    const index = this.thumbs.length
    const thumb = { layer, head, button, canvas, was, id, hint, label, image: new ImageData(this.side, this.side) }
    button.onclick = () => this.lock(thumb)
    button.onfocus = () => (this.rove(index), this.look(index))
    button.onblur = () => this.look(null)
    button.onmouseenter = () => this.look(index)
    frame.onmousemove = event => this.hover(thumb, event)
    frame.onmouseleave = () => this.together(grid => grid.unhover())
    this.thumbs.push(thumb)
    return button
  }

  buildRuler() {
    const ruler = this.find(".ruler")
    ruler.hidden = this.matches.size === 0 || this.data.overview
    const counts = new Map()
    this.data.highlight.forEach(([layer]) => counts.set(layer, (counts.get(layer) ?? 0) + 1))
    const buttons = [...counts].sort((a, b) => a[0] - b[0]).map(([layer, count]) => {
      const button = document.createElement("button")
      button.type = "button"
      button.textContent = `layer ${layer}: ${count}`
      button.onclick = () => this.show(layer)
      return button
    })
    ruler.replaceChildren("Marked heads in ", ...buttons)
  }

  show(layer, changed = true) {
    this.view.layer = layer
    lastViews.set(this.name, this.view)
    this.slider.value = layer
    this.find(".bar .number").textContent = `${layer} (0 to ${this.data.n_layers - 1})`
    this.find(".help").textContent = this.help()
    this.most = new Set()
    if (this.before instanceof Map) {
      const here = this.data.overview ? this.before.keys() : [layer]
      this.changes(here).slice(0, SHOWN).forEach(([at, head]) => this.most.add(`${at}.${head}`))
    }
    this.thumbs.forEach(thumb => this.drawThumb(thumb))
    this.drawDetail()
    this.say()
    if (changed) this.tell()
  }

  help() {
    const { overview } = this.data
    return [
      "Arrow keys move between heads, Enter locks one, Escape releases it.",
      overview ? "" : "Page Up and Page Down change the layer.",
      this.note(),
    ].filter(Boolean).join(" ")
  }

  // what must be known about these pictures
  note() {
    const { pool, lens } = this.data
    return [
      pool > 1 ? `This text is long: each cell stands for ${pool} × ${pool} tokens and shows the largest value among them.` : "",
      lens ? "Sink lens: the first token is left out and each row shared out anew; faint pictures had little left." : "",
    ].filter(Boolean).join(" ")
  }

  layerOf(thumb) {
    return thumb.layer ?? this.view.layer
  }

  drawThumb(thumb) {
    const layer = this.layerOf(thumb)
    const { head } = thumb
    this.paint(thumb, this.cells(layer, head))
    const hasChanged = this.most.has(`${layer}.${head}`)
    thumb.button.classList.toggle("changed", hasChanged)
    if (hasChanged) this.paint({ ...thumb, canvas: thumb.was }, this.before.get(layer).subarray(head * this.cellCount, (head + 1) * this.cellCount))
    thumb.canvas.style.opacity = 0.15 + 0.85 * (this.data.left?.[layer][head] ?? 1)
    thumb.canvas.parentElement.classList.toggle("kept", this.hidden.has(`${layer}.${head}`))
    const name = `L${layer}.H${head}`
    const isMatch = this.matches.has(`${layer}.${head}`)
    const hint = this.hint(layer, head)
    const label = this.data.labels?.[layer][head]
    thumb.id.textContent = isMatch ? `${name} ◆` : hasChanged ? `${name} changed` : name
    thumb.hint.textContent = this.marked === null ? hint : this.looksMost(layer, head)
    thumb.label.textContent = label ?? ""
    const spoken = [`Layer ${layer} head ${head}: ${hint}`, label && `in general ${label}`, isMatch && "marked"]
    thumb.button.title = label ? `${name}: ${hint}; in general: ${label}` : `${name}: ${hint}`
    thumb.button.setAttribute("aria-label", spoken.filter(Boolean).join("; "))
    const isLocked = head === this.view.head && layer === this.view.layer
    thumb.button.setAttribute("aria-pressed", String(isLocked))
    thumb.button.classList.toggle("match", isMatch)
  }

  // the line under a picture: its shape, or how much the sink lens left of it
  hint(layer, head) {
    if (this.hidden.has(`${layer}.${head}`)) return "hidden until you answer"
    const left = this.data.left?.[layer][head]
    return left === undefined ? this.data.hints[layer][head] : `${whole(left)} left`
  }

  paint(thumb, cells) {
    paintTriangle(thumb.image, cells, this.colours)
    thumb.canvas.getContext("2d").putImageData(thumb.image, 0, 0)
  }

  play() {
    if (this.view.layer === this.data.n_layers - 1) this.show(0, false)
    this.still = window.matchMedia("(prefers-reduced-motion: reduce)").matches
    this.slider.step = "any"
    this.find(".play").textContent = "❚❚ Pause"
    let since = performance.now()
    const frame = now => {
      const { layer } = this.view
      const next = layer + 1
      if (next === this.data.n_layers) return this.stop(true)
      this.playing = requestAnimationFrame(frame)
      if (!this.pictures.has(next)) return this.ask(layer)
      const share = this.still ? Number(now - since >= STEP_MS) : (now - since - REST_MS) / BLEND_MS
      if (share >= 1) {
        this.show(next, false)
        since = now
      } else if (share > 0) {
        this.slider.value = layer + share
        this.thumbs.forEach(thumb => this.blend(thumb, next, share))
      }
    }
    this.playing = requestAnimationFrame(frame)
  }

  // from one layer's picture towards the next one's
  blend(thumb, next, share) {
    const [from, to] = [this.cells(this.view.layer, thumb.head), this.cells(next, thumb.head)]
    if (!from || !to) return
    const mixed = (this.mixed ??= new Uint8Array(this.cellCount))
    for (let cell = 0; cell < this.cellCount; cell++) mixed[cell] = from[cell] + share * (to[cell] - from[cell])
    this.paint(thumb, mixed)
  }

  // have the pictures of the next layers sent
  ask(layer) {
    if (this.asked === layer) return
    this.asked = layer
    this.tell(0)
  }

  stop(changed = false) {
    if (!this.playing) return
    cancelAnimationFrame(this.playing)
    this.playing = this.mixed = this.asked = null
    this.slider.step = 1
    this.find(".play").textContent = "▶ Play"
    this.show(this.view.layer, changed)
  }

  // where a head looks most from the marked token
  looksMost(layer, head) {
    const query = this.cellOf(this.marked)
    if (!this.cells(layer, head)) return this.hint(layer, head)
    let best = 0
    for (let key = 0; key <= query; key++) {
      if (this.value(layer, head, query, key) > this.value(layer, head, query, best)) best = key
    }
    const value = this.value(layer, head, query, best)
    return value === 0 ? "→ nothing" : `→ ${this.short(best)} ${whole(value)}`
  }

  cellOf(position) {
    return Math.floor(position / this.data.pool)
  }

  mark(position) {
    if (position === this.marked) return
    this.marked = position
    this.heads.classList.toggle("marked", position !== null)
    if (position !== null) this.heads.style.setProperty("--at", this.cellOf(position))
    this.chips.forEach((chip, index) => chip.classList.toggle("query", index === position))
    this.say()
    this.thumbs.forEach(thumb => {
      const place = [this.layerOf(thumb), thumb.head]
      thumb.hint.textContent = position === null ? this.hint(...place) : this.looksMost(...place)
    })
  }

  // one word marks; a second one asks which heads look from the later to the earlier of the two
  press(position) {
    const { asks, pair } = this.data
    if (asks && !pair && this.pinned !== null && this.pinned !== position) {
      const words = [Math.max(position, this.pinned), Math.min(position, this.pinned)]
      this.setStateValue("pair", words)
      this.pin(words[0])
    } else {
      if (pair) this.forget()
      this.pin(this.pinned === position ? null : position)
    }
  }

  // no pair of words, no changed word
  forget() {
    this.before = null
    if (this.data.pair) this.setStateValue("pair", [])
    this.data = { ...this.data, pair: null, found: [] }
    this.buildFound()
    this.show(this.view.layer, false)
  }

  pin(position) {
    this.pinned = position
    this.chips.forEach((chip, index) => chip.setAttribute("aria-pressed", String(index === this.pinned)))
    if (this.before) this.forget()
    this.mark(position)
    this.say()
    if (this.pinned === null) return
    this.find("#word").value = this.data.tokens[position].trim()
    const found = this.thumbs.map(thumb => `${thumb.id.textContent} ${thumb.hint.textContent}`)
    this.find(".live").textContent = `From ${this.named(this.cellOf(position))}: ${found.join("; ")}`
  }

  change(event) {
    event.preventDefault()
    const word = this.find("#word").value.trim()
    if (!word || this.pinned === null || word === this.data.tokens[this.pinned].trim()) return
    this.changing = true
    this.setTriggerValue("edit", { position: this.pinned, word })
  }

  // heads that were asked for, or that a changed word has changed most: one press opens one
  buildFound() {
    const { pair, found } = this.data
    let lead = null
    let heads = []
    if (this.before === "other tokens") {
      lead = "The new word is another number of tokens, so the pictures before and after do not fit onto each other."
    } else if (this.before) {
      heads = this.changes(this.before.keys()).slice(0, 6).map(([layer, head]) => [layer, head, ""])
      lead = heads.length ? "Changed most:" : "No picture has changed."
    } else if (pair) {
      heads = found.map(([layer, head, value]) => [layer, head, ` ${whole(value)}`])
      lead = `${this.short(this.cellOf(pair[0]))} → ${this.short(this.cellOf(pair[1]))}:`
    }
    const buttons = heads.map(([layer, head, words]) => {
      const button = document.createElement("button")
      button.type = "button"
      button.textContent = `L${layer}.H${head}${words}`
      button.onclick = () => this.open(layer, head)
      return button
    })
    this.find(".found").replaceChildren(...(lead ? [line("lead", lead), ...buttons] : []))
    this.chips.forEach((chip, index) => {
      const at = pair?.indexOf(index) ?? -1
      chip.classList.toggle("from", at === 0)
      chip.classList.toggle("to", at === 1)
    })
    this.say()
  }

  open(layer, head) {
    this.stop()
    this.sheet = true
    this.view.head = head
    this.focused = head
    this.show(layer, false)
    this.tell(0)
    this.find(".live").textContent = this.spokenDetail()
  }

  // what the line under the words says: what is hovered over, found, pressed, or may be done
  say() {
    const { marked, pinned, hovered } = this
    const found = this.find(".found")
    // the pointer still rests on the word that was pressed when the answer comes
    const isNew = marked !== null && marked !== pinned && !this.data.pair?.includes(marked)
    const words = hovered ? this.spokenCell(...hovered) : isNew ? this.spokenMark() : ""
    const isFound = !words && found.childElementCount > 0
    const isEdit = !words && !isFound && pinned !== null && this.data.asks && this.data.pool === 1
    found.hidden = !isFound
    this.find(".edit").hidden = !isEdit
    const readout = this.find(".readout")
    readout.hidden = isFound || isEdit
    readout.textContent = words || (pinned !== null ? this.spokenMark() : this.note() || this.hintLine())
  }

  hintLine() {
    return this.data.asks ? "Hover over a word or a picture. Press two words to find the heads that look from one to the other." : ""
  }

  spokenMark() {
    return `${this.named(this.cellOf(this.marked))}: its row (solid) shows where it looks, its column (dashed) from where it is looked at.`
  }

  keyInStrip(event) {
    const at = this.chips.indexOf(event.target)
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -1, ArrowDown: 1 }[event.key]
    if (step && this.chips[at + step]) {
      this.chips[at].tabIndex = -1
      this.chips[at + step].tabIndex = 0
      this.chips[at + step].focus()
    } else if (event.key === "Escape" && this.pinned !== null) {
      if (this.data.pair) this.forget()
      this.pin(null)
    } else {
      return
    }
    event.preventDefault()
  }

  lock(thumb) {
    const layer = this.layerOf(thumb)
    this.stop()
    if (this.pairing && !(this.pairing.head === thumb.head && this.pairing.layer === layer)) {
      const { layer: ours, head } = this.pairing
      return this.setTriggerValue("go", { page: "Head", layer: ours, head, beside: [layer, thumb.head] })
    }
    const isLocked = this.view.head === thumb.head && this.view.layer === layer
    this.sheet = true
    this.view.head = isLocked ? null : thumb.head
    this.focused = thumb.head
    this.show(layer, false)
    this.tell(0)
    this.find(".live").textContent = this.view.head === null ? "No head locked." : this.spokenDetail()
  }

  isPhone() {
    return this.find(".lab").classList.contains("phone")
  }

  // the next head that is clicked, in any layer, stands beside the one locked now, on its own page
  pair(on) {
    this.pairing = on ? { layer: this.view.layer, head: this.view.head } : null
    this.find(".beside").setAttribute("aria-pressed", String(on))
    this.find(".beside").textContent = on
      ? `beside L${this.pairing.layer}.H${this.pairing.head}: click another`
      : "Beside …"
  }

  release() {
    this.view.head = null
    this.preview = null
    this.pair(false)
    this.show(this.view.layer, false)
    this.tell(0)
    this.find(".live").textContent = "No head locked."
  }

  // what the pointer or the keyboard rests on is in focus until it leaves
  look(index) {
    if (!this.data?.fills || this.preview === index) return
    this.preview = index
    if (!this.isPhone()) this.drawDetail()
  }

  // the head in focus: under the pointer, else locked, else what was found, else the first
  inFocus() {
    const { layer, head } = this.view
    if (!this.data.fills) return { layer, head }
    const thumb = this.thumbs[this.preview]
    if (thumb) return { layer: this.layerOf(thumb), head: thumb.head }
    if (this.isPhone()) return { layer, head: this.sheet ? head : null }
    if (head !== null) return { layer, head }
    return { layer, head: this.focused }
  }

  thumbInFocus() {
    const { layer, head } = this.inFocus()
    return this.thumbs.find(thumb => this.layerOf(thumb) === layer && thumb.head === head)
  }

  rove(index) {
    this.focused = this.thumbs[index].head
    this.at = index
    this.thumbs.forEach((thumb, other) => {
      thumb.button.tabIndex = index === other ? 0 : -1
    })
  }

  keyInHeads(event) {
    const { overview, n_layers, n_heads } = this.data
    const columns = overview ? n_heads : getComputedStyle(this.heads).gridTemplateColumns.split(" ").length
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }
    const layers = overview ? {} : { PageUp: 1, PageDown: -1 }
    if (event.key in steps) {
      this.thumbs[this.at + steps[event.key]]?.button.focus()
    } else if (event.key in layers) {
      const next = this.view.layer + layers[event.key]
      if (next >= 0 && next < n_layers) {
        this.show(next)
        this.find(".live").textContent = `Layer ${next}`
      }
    } else if (event.key === "Escape" && this.view.head !== null) {
      this.release()
    } else {
      return
    }
    event.preventDefault()
  }

  hover(thumb, event) {
    const box = thumb.canvas.getBoundingClientRect()
    const key = Math.floor(((event.clientX - box.left) / box.width) * this.side)
    const query = Math.floor(((event.clientY - box.top) / box.height) * this.side)
    const layer = this.layerOf(thumb)
    this.together(grid => grid.readout(layer, thumb.head, query, key))
  }

  readout(layer, head, query, key) {
    this.unhover()
    if (query < 0 || query >= this.side || key < 0 || key > query || !this.cells(layer, head)) return
    this.chips.forEach((chip, index) => {
      chip.classList.toggle("query", this.cellOf(index) === query)
      chip.classList.toggle("key", this.cellOf(index) === key)
    })
    this.hovered = [layer, head, query, key]
    this.say()
  }

  // a cell in words; of the layer in view, also where the pointer rests while layers pass under it
  spokenCell(layer, head, query, key) {
    const { pool, overview } = this.data
    const at = overview ? layer : this.view.layer
    if (!this.cells(at, head)) return ""
    const share = percent(this.value(at, head, query, key))
    const rows = this.rowLeft.get(at)
    const left = rows && pool === 1 ? ` of the ${percent(rows[head * this.data.tokens.length + query] / 255)} left` : ""
    return `L${at}.H${head}: from ${this.named(query)} (query) to ${this.named(key)} (key): ${pool > 1 ? "at most " : ""}${share}${left}`
  }

  unhover() {
    this.chips.forEach((chip, index) => {
      chip.classList.toggle("query", index === this.pinned)
      chip.classList.remove("key")
    })
    this.hovered = null
    this.say()
  }

  // the words of a cell
  named(cell) {
    const { pool, tokens } = this.data
    const text = tokens.slice(cell * pool, (cell + 1) * pool).join("")
    return pool === 1 ? `“${text}” at ${cell}` : `“${text}” at ${cell * pool} to ${Math.min((cell + 1) * pool, tokens.length) - 1}`
  }

  short(cell) {
    const { pool, tokens } = this.data
    return tokens.slice(cell * pool, (cell + 1) * pool).join("").replace(/\n/g, "↵").trim() || "␣"
  }

  strongest(count) {
    const { layer, head } = this.inFocus()
    const pairs = []
    for (let query = 1; query < this.side; query++) {
      for (let key = 0; key <= query; key++) {
        pairs.push([this.value(layer, head, query, key), query, key])
      }
    }
    return pairs.sort((a, b) => b[0] - a[0]).slice(0, count)
  }

  drawDetail() {
    const { layer, head } = this.inFocus()
    const isShown = head !== null && Boolean(this.cells(layer, head))
    this.find(".detail").hidden = !isShown
    if (!isShown) return
    const isLocked = head === this.view.head && layer === this.view.layer
    this.find(".title").textContent = `L${layer}.H${head}`
    this.find(".lock").textContent = isLocked ? "Release" : "Lock"
    this.find(".lock").setAttribute("aria-pressed", String(isLocked))
    this.find(".beside").disabled = this.view.head === null
    this.find(".facts").textContent = this.facts(layer, head)
    this.find(".pairs").replaceChildren(
      ...this.strongest(5).map(([value, query, key]) => {
        const item = document.createElement("li")
        item.textContent = `${this.named(query)} → ${this.named(key)}: ${percent(value)}`
        return item
      })
    )
    if (this.data.fills) this.buildDoors(layer, head)
    this.drawLarge()
  }

  facts(layer, head) {
    const label = this.data.labels?.[layer][head]
    const left = this.data.left?.[layer][head]
    const spread = this.data.spread?.[layer][head]
    return [
      `On this text: ${this.data.hints[layer][head]}.`,
      label && `In general: ${label}.`,
      left !== undefined && `Without the first token ${whole(left)} of its attention is left; the picture shares that out anew.`,
      spread !== undefined && spread !== null && `Looks ${this.reach(layer, head).toFixed(1)} ${this.data.pool > 1 ? "cells" : "tokens"} back on average; spread ${whole(spread)} of even.`,
    ].filter(Boolean).join(" ")
  }

  // how far a head looks back, averaged over rows, weighted by attention
  reach(layer, head) {
    let sum = 0
    for (let query = 1; query < this.side; query++) {
      let [reached, all] = [0, 0]
      for (let key = 0; key <= query; key++) {
        const value = this.value(layer, head, query, key)
        reached += value * (query - key)
        all += value
      }
      if (all) sum += reached / all
    }
    return sum / Math.max(1, this.side - 1)
  }

  buildDoors(layer, head) {
    const name = `L${layer}.H${head}`
    const doors = [
      ["Open", `Open ${name} on its own page`, "Head", { layer, head }],
      ["Remove it", `Remove ${name} and see what changes`, "Cause", { removed: name }],
    ]
    this.find(".doors").replaceChildren(
      ...doors.map(([words, spoken, page, changes]) => {
        const link = document.createElement("a")
        const query = new URLSearchParams(window.location.search)
        Object.entries(changes).forEach(([part, value]) => query.set(part, value))
        link.href = `${page}?${query}`
        link.textContent = words
        link.setAttribute("aria-label", spoken)
        link.onclick = event => {
          if (event.ctrlKey || event.metaKey || event.shiftKey) return
          event.preventDefault()
          this.setTriggerValue("go", { page, layer, head, removed: page === "Cause" })
        }
        return link
      })
    )
  }

  spokenDetail() {
    const { layer, head } = this.view
    const pairs = this.strongest(5).map(
      ([value, query, key]) => `${this.short(query)} to ${this.short(key)} ${percent(value)}`
    )
    return `Head L${layer}.H${head} locked. ${this.facts(layer, head)} Strongest: ${pairs.join("; ")}`
  }

  // the large picture: query down, key across, tokens on both axes
  drawLarge() {
    if (!this.data || this.find(".detail").hidden) return
    const thumb = this.thumbInFocus()
    if (!thumb) return
    const names = this.data.pool === 1 ? this.data.tokens.map((_, index) => this.short(index)) : []
    this.largeFrame = drawMap(this.large, thumb.canvas, names)
  }

  hoverLarge(event) {
    if (!this.largeFrame) return
    const box = this.large.getBoundingClientRect()
    const { margin, size } = this.largeFrame
    const key = Math.floor((event.clientX - box.left - margin) / size)
    const query = Math.floor((event.clientY - box.top - margin) / size)
    const { layer, head } = this.inFocus()
    this.together(grid => grid.readout(layer, head, query, key))
  }

  // Python hears of a slide once it has settled, and of a locked head at once
  tell(delay = SETTLE_MS) {
    clearTimeout(this.timer)
    this.timer = setTimeout(() => {
      this.setStateValue("view", { layer: this.view.layer, head: this.view.head })
    }, delay)
  }
}
