import { parse, View } from 'vega'
import { compile, type TopLevelSpec } from 'vega-lite'

/** The colours of series, which read on white and on black. */
const COLOURS = ['#0969da', '#bc4c00', '#1a7f37', '#8250df']

/**
 * A chart as an SVG that follows the reader's light or dark scheme, by Vega-Lite. Its text and lines are in the colour of
 * the text around it.
 */
export async function plot(label: string, spec: TopLevelSpec): Promise<string> {
  const text = { labelColor: 'currentColor', titleColor: 'currentColor', titleFontWeight: 'normal' } as const
  const grid = {
    gridColor: 'currentColor',
    gridOpacity: 0.12,
    domainColor: 'currentColor',
    tickColor: 'currentColor',
  }
  const { spec: compiled } = compile({
    background: 'transparent',
    padding: 12,
    ...spec,
    config: {
      font: 'system-ui, sans-serif',
      view: { stroke: null },
      axis: { ...text, ...grid, labelFontSize: 11, titleFontSize: 12 },
      legend: {
        ...text,
        labelFontSize: 12,
        labelLimit: 0,
        symbolType: 'stroke',
        symbolStrokeWidth: 2,
      },
      header: { ...text, labelFontSize: 12, labelFontWeight: 600 },
      range: { category: COLOURS },
    },
  })
  const svg = await new View(parse(compiled), { renderer: 'none' }).toSVG()
  const style = `<style>svg { background: #fff; color: #1f2328 } @media (prefers-color-scheme: dark) { svg { background: #0d1117; color: #e6edf3 } }</style>`
  return `${svg.replace(/^<svg /, `<svg role="img" aria-label="${label}" `).replace('>', `>${style}`)}\n`
}
