"""The names in the demo story. All are made up; every address ends in `.example`, which nobody can own."""

from typing import Final

FIRST: Final = tuple(
    """Ada Alma Amir Anouk Arlo Aya Bela Bruno Carys Cem Chidi Clara Dara Davi Edda Eero Elif Emre Esme Fenna Finn Gita
    Hana Hugo Ida Ilse Imran Ines Ivo Jana Jonas Juno Kaito Kaya Lars Leila Lior Luca Mabel Maren Mika Milo Nadia Nils
    Noor Odile Omar Oskar Petra Priya Quinn Rafe Rhea Rosa Sami Sanna Selma Tariq Tess Timo Uma Vera Viggo Wren Xenia
    Yara Yusuf Zadie Zeno Zora""".split()  # noqa: SIM905 - prose is easier to read and to extend
)
LAST: Final = tuple(
    """Abara Ashdown Bellweather Brandt Calloway Castellan Cormorant Dahl Darrow Eklund Fairweather Farrow Finch Garrick
    Greaves Halloran Hartwell Ibarra Iversen Jansky Kestrel Kovar Larkspur Lindqvist Lockwood Marchetti Mbeki Merrow
    Nakata Norwood Okafor Orsini Pemberton Quill Ravn Redfern Rourke Sandoval Sato Selkirk Silva Tamsin Thackeray Thorne
    Underhill Vance Varga Voss Wainwright Whitlock Winter Yarrow Zeller Zimmer""".split()  # noqa: SIM905 - prose is easier to read and to extend
)
COMPANY: Final = tuple(
    """Amber Alder Anchor Aspen Beacon Birch Bramble Brass Cedar Cobalt Copper Coral Crane Dapple Delta Drift Ember
    Fable Fathom Fern Flint Foxglove Gable Garnet Granite Grove Harbor Hazel Heron Hollow Indigo Ivory Jasper
    Juniper Kelp
    Kindle Lantern Lark Linden Lumen Maple Marigold Meadow Mistral Moss Nectar North Nutmeg Ochre Onyx Opal Orchard
    Otter Pebble Pewter Pine Plover Quartz Quince Raven Reed Ridge Robin Rowan Saffron Sage Silver Slate Sorrel Sparrow
    Tallow Tansy Thistle Tidal Timber Umber Velvet Verdant Violet Walnut Willow Wren Yarrow Zephyr""".split()  # noqa: SIM905 - prose is easier to read and to extend
)
TRADE: Final = tuple(
    """Analytics Bakehouse Books Brewing Cargo Ceramics Clinics Coffee Couriers Dental Design Energy Events Farms Films
    Foods Forge Freight Games Glassworks Homes Insurance Interiors Labs Legal Logistics Marine Media Mills Motors Optics
    Outfitters Paper Payments Pharma Press Properties Robotics Schools Security Software Sound Studios Supply Textiles
    Tools Toys Travel Works Yards""".split()  # noqa: SIM905 - prose is easier to read and to extend
)
INDUSTRIES: Final = ("Retail", "Logistics", "Healthcare", "Manufacturing", "Media", "Education", "Finance", "Food")
REGIONS: Final = ("AMER", "EMEA", "APAC")
TITLES: Final = ("Head of Operations", "Project Manager", "Team Lead", "Analyst", "Coordinator", "Designer", "Engineer")
OWNER_TITLES: Final = ("Founder", "COO", "VP Operations", "Office Manager", "Head of Finance", "Managing Director")

# What users of the story's product, a tool for planning work, do in it; the first is how every day begins.
DAY_BEGINS: Final = "Signed In"
ACTIONS: Final = ("Board Viewed", "Task Completed", "Task Created", "Comment Added", "Report Exported", "Plan Shared")
