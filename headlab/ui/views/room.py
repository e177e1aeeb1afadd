"""How a room reaches this server: its address, in letters and as a QR code."""

import io
from urllib.parse import urlsplit

import streamlit as st

from headlab import settings

HERE = ("localhost", "127.0.0.1", "::1")


def show_room() -> None:
    """The room's address, on a server that was opened to one; unfolded on the server itself."""
    address = settings.room()
    if not address:
        return
    here = urlsplit(str(st.context.url or "")).hostname in HERE
    with st.expander("Open this on your own device", expanded=here, icon=":material/qr_code_2:"):
        picture = qr_code(address)
        if picture is not None:
            st.image(picture, width=220, alt=f"QR code of {address}")
        st.code(address, language=None)


def qr_code(address: str) -> str | None:
    """The address as an SVG picture; None in an environment that was made before QR codes."""
    try:
        import segno
    except ImportError:
        return None
    drawn = io.BytesIO()
    segno.make(address, micro=False, error="m").save(drawn, kind="svg", scale=8, light="white")
    return drawn.getvalue().decode()
