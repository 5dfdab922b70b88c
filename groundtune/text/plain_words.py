"""The word lists of the plain rules: English, for captions of photographs. What is on no list counts as a noun."""


def word_set(words: str) -> frozenset[str]:
    """Words apart by spaces."""
    return frozenset(words.split())


_NUMBERS = """
    zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen
    eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred hundreds thousand thousands
    dozen dozens first second third fourth fifth last
"""
# In front of a noun: an open word after them is a noun or describes one.
DETERMINERS = word_set(f"""
    a an the this these those some any no every each all both either neither several many much few fewer more most
    another other others such certain enough own same different various multiple numerous countless my your his her
    its our their whose what {_NUMBERS}
""")
BE = word_set("am is are was were be been being isn't aren't wasn't weren't looks seems appears")
PRONOUNS = word_set("""
    i you he she it we they me him us them who whom that which there here someone somebody something anyone anything
    everyone everything nobody nothing himself herself itself themselves
""")
_PREPOSITIONS = """
    about above across after against along alongside amid amidst among amongst around as at atop before behind below
    beneath beside besides between beyond by despite during for from in inside into like near of off on onto outside
    over past per since through throughout to toward towards under underneath until up upon versus via with within
    without
"""
_JOINING = """
    and or but nor so yet because while whereas although though if unless when where whereby than whether except how
    why not
"""
_AUXILIARIES = "do does did done has have had having could may might must shall should will would cannot"
_ADVERBS = """
    very quite rather too also just only even still already again once often usually always never sometimes perhaps
    maybe together apart away forth ahead aside indoors outdoors upside everywhere somewhere anywhere down out next
    however therefore thus otherwise instead meanwhile moreover furthermore overall almost well soon now then far
    nearby today yes else etc ok okay please
"""
CLOSED = word_set(f"{_PREPOSITIONS} {_JOINING} {_AUXILIARIES} {_ADVERBS}")
MODALS = word_set("could may might must shall should will would cannot can")
# Verbs of captions that are hardly ever nouns there, with irregular past forms.
VERBS = word_set("""
    show shows depict depicts contain contains include includes appear seem consist consists capture captures wear
    wears hold holds sit sits lie lies lay lays hang hangs flies eat eats look gaze gazes stare stares smile smiles
    rests lean leans carry carries pull pulls push pushes throw throws catch catches hit hits kick kicks jump jumps
    climb climbs enjoy enjoys prepare prepares cuts read reads talk talks wait waits use uses make makes take takes
    give gives get gets go goes come comes keep keeps put puts add adds create creates suggest suggests indicate
    indicates provide provides surround surrounds fill fills stretch stretches extend extends reach reaches feed
    feeds graze grazes drive drives travel travels move moves sleep sleeps swim swims barks say says resemble
    resembles occupy occupies touches chase chases follow follows see sees want wants try tries begin begins
    approach approaches belong belongs serve serves bring brings complement complements dominate dominates seen made
    taken given driven ridden eaten held laid kept left stood sat lay ran wore rode ate flew threw caught spread
    thrown
""")
# Also describe what stands behind them: "a broken chair".
DESCRIBING_VERBS = word_set("drawn written built broken hung lit torn woven worn grown blown cut")
VERBS_OR_NOUNS = word_set("""
    stand stands watch watches drink drinks play plays walk walks ride rides run runs swing swings cross crosses
    cook cooks work works cover covers display displays feature features surf surfs ski skis skate skates pose poses
    dance dances race races turn turns help helps start starts
""")
COLOURS = word_set("""
    red yellow green blue purple pink brown black white gray grey beige tan teal turquoise maroon violet cyan
    magenta crimson scarlet blonde blond
""")
# Words in front of a colour: "light blue".
SHADES = word_set("light dark deep pale bright sky navy lime olive baby forest royal hot")
ADJECTIVES = COLOURS | word_set("""
    big small large little tiny huge giant tall short long wide narrow thick thin round square flat deep shallow
    high low old young new modern ancient antique vintage fresh ripe raw hot cold warm cool wet dry clean dirty
    dusty muddy rusty shiny bright dark dim pale clear open closed full empty busy quiet calm cozy cosy happy sad
    pretty nice good bad great fine fancy cute funny furry fluffy hairy fuzzy curly bushy leafy grassy sandy snowy
    rocky icy rainy sunny cloudy foggy stormy windy overcast steep soft hard smooth rough sharp heavy strong weak
    fast slow loose tight bare main major minor single double entire whole larger smaller bigger taller shorter
    longer older younger darker lighter brighter closer closest nearest largest smallest biggest tallest wooden
    golden woolen asleep awake alone alert aware alive visible present ready elderly friendly lively lovely early
    daily silly ugly chilly hilly curvy wavy bumpy chunky creamy crispy crusty juicy salty spicy tasty sleepy
    multicolored spotted striped plaid opposite separate complete unique private intricate ornate delicate elegant
    pleasant vibrant distant adjacent prominent apparent transparent recent urban rural wild close suburban public
    african asian european american indoor outdoor famous male female
""")
# Nouns in spite of their ending.
NOUNS = word_set("""
    building buildings ceiling railing clothing painting ring king string wing thing swing awning icing earring
    bedding flooring seasoning dressing stuffing topping pudding wedding crossing landing drawing sibling herring
    duckling dumpling lightning lighting spring sling carving covering opening paneling siding tubing wiring piping
    writing lettering frosting filling coating wrapping packaging sterling gosling seedling sapling evening morning
    bed shed sled seed weed reed steed moped biped infrared flatbed fly butterfly dragonfly jelly belly family lily
    bully assembly trolly doily table cable vegetable dish radish fish goldfish starfish jellyfish plastic fabric
    ceramic garlic traffic picnic music attic clinic mechanic graphic comic mosaic animal metal cereal medal pedal
    canal hospital petal mural terminal sandal coral mammal signal festival capital olive locomotive stable syllable
    relish polish crystal arsenal journal rubbish panel chapel cathedral oatmeal
""")
ADJECTIVE_ENDINGS = ("ful", "ous", "ive", "able", "ible", "less", "ish", "ic", "al", "esque")
# Things of two words of which the first looks like a verb's form, wherever they stand.
ING_COMPOUNDS = {
    "dining": "table room chair area set", "living": "room", "parking": "lot meter garage space sign spot",
    "swimming": "pool trunks", "washing": "machine", "cutting": "board", "chopping": "board", "frying": "pan",
    "baking": "sheet tray dish", "rolling": "pin", "serving": "tray dish bowl spoon", "vending": "machine",
    "sewing": "machine", "sleeping": "bag", "rocking": "chair", "fishing": "rod boat net pole", "racing": "car bike",
    "shopping": "cart bag mall", "mixing": "bowl", "watering": "can", "walking": "stick",
}  # fmt: skip
PLURALS = word_set("people men women children feet teeth geese mice fish sheep deer cattle")
# Colours that are things as well; behind "is" they are colours: "the car is orange".
COLOURS_OR_THINGS = word_set("orange gold silver rose olive cream")
