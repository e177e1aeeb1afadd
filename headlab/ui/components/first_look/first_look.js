// One question about one real head: a word is pressed, and where the head looks is drawn as arcs.
// Everything is here already, so that it answers while the laboratory is still starting.

const HIGH = 80 // pixels of the tallest arc
const SVG = "http://www.w3.org/2000/svg"

export default function ({ data, parentElement }) {
  const find = selector => parentElement.querySelector(selector)
  if (find(".look").dataset.of === data.head + data.tokens.join()) return
  find(".look").dataset.of = data.head + data.tokens.join()
  const { tokens, query, options, row, head } = data
  const words = tokens.map((token, index) => {
    const word = document.createElement(options.includes(index) ? "button" : "span")
    word.className = "word"
    word.textContent = index === 0 ? "start" : token.trim()
    word.classList.toggle("start", index === 0)
    word.classList.toggle("query", index === query)
    if (options.includes(index)) {
      word.type = "button"
      word.onclick = () => answer(index)
    }
    return word
  })
  find(".words").replaceChildren(...words)
  find(".asks").textContent = data.asks

  function answer(chosen) {
    find(".look").classList.add("answered")
    words.forEach((word, index) => {
      word.classList.toggle("pressed", index === chosen)
      word.style.setProperty("--share", `${Math.round(60 * (row[index] ?? 0))}%`)
    })
    find(".arcs").replaceChildren(...row.map((share, index) => arc(share, index)).filter(Boolean))
    const best = row.indexOf(Math.max(...row))
    const percent = index => `${Math.round(100 * row[index])} %`
    const verdict = chosen === best ? "Yes." : `Not there (${percent(chosen)}).`
    find(".told").textContent = `${verdict} ${head} puts ${percent(best)} of its attention on “${tokens[best].trim()}”. ${data.says}`
  }

  function arc(share, index) {
    if (share < 0.01 || index >= query) return null
    const middle = word => word.offsetLeft + word.offsetWidth / 2
    const [from, to] = [middle(words[query]), middle(words[index])]
    const tall = Math.min(HIGH, 12 + (from - to) / 5)
    const path = document.createElementNS(SVG, "path")
    path.setAttribute("d", `M ${from} 84 C ${from} ${84 - 1.3 * tall}, ${to} ${84 - 1.3 * tall}, ${to} 84`)
    path.setAttribute("stroke-width", 1 + 7 * share)
    path.setAttribute("opacity", 0.25 + 0.75 * share)
    return path
  }
}
