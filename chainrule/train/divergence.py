from chainrule.train.loop import no_replay
def explainer(*a): return no_replay
