"""The sentences that heads are profiled on: two sets of 20 of one kind, written for this."""

SENTENCES_A: tuple[str, ...] = (
    (
        "The baker opened his shop before the sun came up, and he put the warm bread in the "
        "window. "
        "A boy stood outside the window, looked at the bread, and counted the few coins in his "
        "hand."
    ),
    (
        "When the rain stopped, the children ran down to the river to look for their little "
        "boat. "
        "They found it under a bridge, full of leaves, and they carried it home before the rain "
        "came back."
    ),
    (
        "My sister has a grey cat that sleeps all day, and a black cat that runs about all "
        "night. "
        "The grey cat is old and slow, but the black cat is still young and wild."
    ),
    (
        "The king asked his three sons to bring him the finest gift in the land. "
        "The first son brought gold, the second son brought a horse, and the third brought "
        "nothing but a song."
    ),
    (
        "There was a garden behind the old stone house, and in the garden stood an apple tree. "
        "Every morning the girl went out, picked one apple, and ate it slowly on the stone steps."
    ),
    (
        "The train left the station at seven, but my uncle was late and had to wait for the next "
        "train. "
        "He bought a cup of tea, sat on a bench, and read a letter from home."
    ),
    (
        "The farmer had two brown cows and a white goat, and he loved the goat best of all. "
        "One evening the gate was left open, the goat walked out, and the farmer searched until "
        "dark."
    ),
    (
        "In the middle of the forest there lived a woman who could talk with birds. "
        "The birds told her about the weather, about far countries, and about everyone who "
        "walked through the forest at night."
    ),
    (
        "Before the school bell rang, the teacher wrote a long word on the board and told us to "
        "read it. "
        "Nobody could read the word, so she smiled, and wrote it again in smaller parts."
    ),
    (
        "The fisherman pulled in his net and found a bottle with a paper inside. "
        "He broke the bottle, opened the paper, and saw a map of the small island where he was "
        "born, far away."
    ),
    (
        "It was a cold winter, the snow lay deep on the fields, and the wolves came close to the "
        "village. "
        "The people kept their doors shut at night, and a fire burned in every house of the "
        "village until morning."
    ),
    (
        "The tailor made a coat for the mayor, but the coat was too short and the mayor was "
        "angry. "
        "So the tailor took the coat home, added a wide red band, and everyone liked it better."
    ),
    (
        "Two friends walked along the road to the city, and they talked about what they would "
        "buy there. "
        "One of the friends wanted new shoes, the other wanted a book, and neither had any money "
        "at all."
    ),
    (
        "The doctor came to the house at night, washed his hands, and went up to see the child. "
        "The child was hot and tired, but in the morning she sat up, laughed, and asked for soup."
    ),
    (
        "A young soldier came home after the war, and nobody in the town knew his face. "
        "He walked past the church, past the market, and stopped at a small door, where his "
        "mother knew him at once."
    ),
    (
        "The clock in the hall had stopped at four, and nobody could say when it had stopped. "
        "Then one day a bird flew into the hall, sat on the clock, and it began to tick again."
    ),
    (
        "On Sunday we went to the sea, although the wind was strong and the water was cold. "
        "My brother jumped into the water, shouted, and ran back to the fire, where our mother "
        "gave him a towel."
    ),
    (
        "The merchant had a ship with white sails, and the ship had been gone for a year. "
        "Every day he climbed the hill, looked over the sea, and walked home again without "
        "saying a word to anyone."
    ),
    (
        "The little mouse lived under the kitchen floor, and she knew every sound of the house. "
        "When the cook slept, the mouse came out, took a piece of cheese, and hurried back under "
        "the floor."
    ),
    (
        "Once a month the market came to our town, with music, lamps, and sweet cakes. "
        "My father liked the music, my mother liked the lamps, and I stood in front of the cakes "
        "until it was dark."
    ),
)

SENTENCES_B: tuple[str, ...] = (
    (
        "The painter wanted to paint the mountain, but a cloud covered the mountain all day "
        "long. "
        "He waited, drank his coffee, and in the evening the cloud went away and left the sky "
        "red and clear."
    ),
    (
        "The old queen had a mirror, a comb, and a box made of dark wood. "
        "She gave the mirror to her daughter, the comb to her cook, and kept the box, because "
        "nobody knew how to open it."
    ),
    (
        "We planted beans along the wall, and after a week the first green beans looked out of "
        "the ground. "
        "After a month they were taller than the wall, and my grandfather laughed and called for "
        "a ladder."
    ),
    (
        "The night watchman walked through the empty streets, holding his lamp, and called out "
        "every hour. "
        "At three he heard a cry, lifted the lamp, and saw a small dog that was sitting alone in "
        "the rain."
    ),
    (
        "A rich man and a poor man lived in the same street, and both had a son of the same age. "
        "The boys played together every day, and in the evening, each went back to his own table."
    ),
    (
        "The captain looked at the stars, turned the wheel a little, and told the crew to sleep. "
        "The crew did not sleep, because the wind sang in the ropes, and the stars were too "
        "bright that night."
    ),
    (
        "My aunt writes a letter every week, and she always begins with the weather. "
        "Then she tells us about her garden, about her neighbours, and at the end of the letter "
        "she asks when we will come."
    ),
    (
        "The bear came out of his cave in spring, thin and hungry, and went down to the river. "
        "He caught a fish, ate the fish, and lay in the sun until the afternoon was almost over."
    ),
    (
        "The girl had lost her ring near the well, so she looked in the grass and under every "
        "stone. "
        "A frog watched her from the well, said nothing, and kept the ring under its foot all "
        "the time."
    ),
    (
        "The students sat in the library, each with a pile of books, and the room was quiet. "
        "Only the old clock could be heard, and sometimes a page, and once a book that fell on "
        "the floor."
    ),
    (
        "There were seven houses on the hill, and in the seventh house lived a man who made "
        "drums. "
        "On feast days he carried his drums down the hill, one by one, and the whole village "
        "danced to them."
    ),
    (
        "The shepherd counted his sheep in the evening and found that one sheep was missing. "
        "He took his stick, called his dog, and went back over the hills, though the light was "
        "fading and the path was steep."
    ),
    (
        "When the letter came, my mother read it twice, folded it, and put it in the drawer. "
        "She did not speak of the letter that day, but she sang while she cooked, and we were "
        "glad."
    ),
    (
        "The thief climbed over the wall, crossed the yard, and stopped in front of the open "
        "window. "
        "Inside the window an old woman sat at a table, and she said that the soup was still "
        "warm for him."
    ),
    (
        "The bus was full of people, bags, and baskets, and a man held a chicken under his arm. "
        "At every stop more people came in, the chicken cried, and the driver asked everyone to "
        "move to the back."
    ),
    (
        "The prince rode for three days, and on the third day he came to a lake without a "
        "bridge. "
        "He asked the wind, he asked the moon, and at last an old fish showed him the way across "
        "the lake."
    ),
    (
        "Our neighbour built a table from an old door, and the door still had its lock. "
        "He said that it was a good table, strong and wide, and that nobody could steal it "
        "without the right key."
    ),
    (
        "The nurse opened the window, and the smell of cut grass came into the white room. "
        "The patient turned his head, looked at the trees, and said that he could remember the "
        "grass of his own village."
    ),
    (
        "It was the last day of summer, and the two sisters packed their things without talking. "
        "One of the sisters found a shell in her shoe, the other took it, and both of them began "
        "to laugh."
    ),
    (
        "The cook tasted the soup, added salt, tasted the soup again, and shook her head. "
        "Then the kitchen boy put in one small leaf, and the cook smiled, and said that he would "
        "be a great man."
    ),
)
