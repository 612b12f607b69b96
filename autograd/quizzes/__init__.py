"""For teaching: exercises that check themselves, numbers of a graph to predict, and a broken rule to find.

exercises.py   exercise: is this the right answer?
questions.py   which numbers of a graph can be hidden and still be worked out
quiz.py        quiz: a drawing with some numbers hidden
broken.py      broken_rule: of a few operations one has a wrong derivative
"""
