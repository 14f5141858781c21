"""Settings of the documentation site: `.ci/docs` builds it, warnings are errors."""

from __future__ import annotations

import os
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_ext"))

# Docstrings come from the compiled module; signatures from its .pyi (api_pages).
os.environ["SPHINX_AUTODOC_IGNORE_NATIVE_MODULE_TYPE_STUBS"] = "1"
# Help texts as on a terminal of this width, without colours.
os.environ.update(COLUMNS="90", NO_COLOR="1", TF_CPP_MIN_LOG_LEVEL="3")

import ecgfast  # noqa: E402

project = "ecgfast"
author = "The ecgfast developers"
project_copyright = f"2026, {author}"
release = version = ecgfast.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.doctest",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
    "api_pages",
    "command_pages",
    "model_pages",
]

exclude_patterns = ["_build", "gallery", "generated/**/*.ipynb", "generated/**/*.py"]
suppress_warnings = ["config.cache"]
default_role = "py:obj"
smartquotes = False

myst_enable_extensions = ["attrs_block", "deflist"]
myst_heading_anchors = 4

html_theme = "furo"
html_title = f"ecgfast {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
html_theme_options = {"top_of_page_buttons": []}

copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # NumPy-style docstrings state the types
napoleon_google_docstring = False
# Types are words ("path", "array_like"), and not to be linked to attributes of that name.
napoleon_use_param = False
napoleon_use_rtype = False
napoleon_custom_sections = [("Attributes", "params_style")]

# Examples in docstrings use what their own module holds.
doctest_global_setup = """
import numpy as np
from ecgfast import *
from ecgfast.alarms import *
from ecgfast.live import *
from ecgfast.records import *
from ecgfast.reports import *
from ecgfast.rhythm import *
from ecgfast.sources import *
"""

sphinx_gallery_conf = {
    "examples_dirs": "gallery",
    "gallery_dirs": "generated/gallery",
    "image_scrapers": ("matplotlib", "gallery_figures.scrape_figure"),
    "filename_pattern": r"\.py$",
    "abort_on_example_error": True,
    "within_subsection_order": "FileNameSortKey",
    "download_all_examples": False,
    "show_memory": False,
    "min_reported_time": 10_000,
    "show_signature": False,
    "remove_config_comments": True,
    "plot_gallery": True,
    # What a plotting call returns is not shown.
    "capture_repr": ("_repr_html_",),
    "write_computation_times": False,
}
