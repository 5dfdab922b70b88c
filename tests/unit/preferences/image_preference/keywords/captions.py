"""Captions with their noun phrases, checked by hand. Both taggers must find exactly these."""

GOLDEN: dict[str, list[str]] = {
    "A man wearing a black hat is sitting on a wooden bench next to two dogs in a park.": [
        "man", "black hat", "wooden bench", "dogs", "park",
    ],
    "There is a red cup at the top left. On the right there are two blue plates.": ["red cup", "blue plates"],
    "An orange carrot is in the middle. Three purple fish are in the image.": ["orange carrot", "purple fish"],
    "A stop sign stands in front of a brick building with a metal railing.": [
        "stop sign", "brick building", "metal railing",
    ],
    "The image features a large group of people gathered around a dining table, which is filled with plates of food.": [
        "people", "dining table", "plates", "food",
    ],
    "A woman's red umbrella lies on the sandy beach while her dog chases a tennis ball.": [
        "woman", "red umbrella", "sandy beach", "dog", "tennis ball",
    ],
    "A couple of children are playing with a light blue frisbee on the grass.": [
        "children", "light blue frisbee", "grass",
    ],
    "The sky is overcast, and the traffic lights are red.": ["sky", "traffic lights"],
    "A cat sleeps on top of a laptop keyboard beside a coffee mug and a pair of glasses.": [
        "cat", "laptop keyboard", "coffee mug", "glasses",
    ],
    "A young boy rides his skateboard down a steep ramp; people watch from the stairs.": [
        "young boy", "skateboard", "steep ramp", "people", "stairs",
    ],
    "A bowl of bananas, apples and oranges is on the table. The bananas are ripe.": [
        "bowl", "bananas", "apples", "oranges", "table",
    ],
}  # fmt: skip
